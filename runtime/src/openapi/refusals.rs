//! Which problems an operation answers with: a status has one response, and its codes are listed in the schema.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::{Value, json};
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::{RefOr, Response, ResponseBuilder};

use crate::problem;

/// Statuses, and the codes of the problems that come with them.
pub type Codes = [(u16, &'static str)];
/// As handlers tell them to `utoipa`.
pub type Responses = BTreeMap<String, RefOr<Response>>;

const MEDIA_TYPE: &str = "application/problem+json";
/// Where the codes stand until the document is written.
const CODES: &str = "x-codes";

/// The problems of several groups, as responses of one operation.
pub fn refusals(groups: &[&Codes]) -> Responses {
    let mut by_status: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for (status, code) in groups.iter().copied().flatten() {
        by_status.entry(*status).or_default().push(code);
    }
    let response = |(status, codes): (u16, Vec<&str>)| {
        let codes = ExtensionsBuilder::new().add(CODES, codes).build();
        (status.to_string(), RefOr::T(ResponseBuilder::new().extensions(Some(codes)).build()))
    };
    by_status.into_iter().map(response).collect()
}

/// Writes the codes down as programs and people read them.
pub(super) fn spell_out(operation: &mut Value) {
    for (status, codes) in taken_out(operation) {
        for code in codes.iter().filter_map(Value::as_str) {
            refuse(operation, status, code);
        }
    }
    if has_path_parameter(operation) {
        refuse(operation, StatusCode::URI_TOO_LONG.as_u16(), "uri_too_long");
    }
}

fn taken_out(operation: &mut Value) -> Vec<(u16, Vec<Value>)> {
    let Some(responses) = operation["responses"].as_object_mut() else { return Vec::new() };
    let codes =
        |(status, response): (&String, &Value)| Some((status.parse().ok()?, response.get(CODES)?.as_array()?.clone()));
    let found: Vec<(u16, Vec<Value>)> = responses.iter().filter_map(codes).collect();
    for (status, _) in &found {
        responses.remove(&status.to_string());
    }
    found
}

fn has_path_parameter(operation: &Value) -> bool {
    let parameters = operation["parameters"].as_array();
    parameters.is_some_and(|parameters| parameters.iter().any(|parameter| parameter["in"] == "path"))
}

/// Adds a problem to an operation of a document.
pub fn refuse(operation: &mut Value, status: u16, code: &str) {
    let Ok(status) = StatusCode::from_u16(status) else { return };
    let response = &mut operation["responses"][status.as_str()];
    if response.is_null() {
        *response = without_codes(status);
    }
    let Some(codes) = response["content"][MEDIA_TYPE]["schema"]["properties"]["code"]["enum"].as_array_mut() else {
        return;
    };
    if let Err(place) = codes.binary_search_by(|known| known.as_str().cmp(&Some(code))) {
        codes.insert(place, code.into());
    }
    response["description"] = described(status, codes).into();
}

fn described(status: StatusCode, codes: &[Value]) -> String {
    let links = codes.iter().filter_map(Value::as_str).map(|code| format!("[`{code}`](/problems/{code})"));
    format!("{}: {}", problem::title(status), links.collect::<Vec<_>>().join(", "))
}

fn without_codes(status: StatusCode) -> Value {
    let schema = json!({
        "allOf": [{"$ref": "#/components/schemas/Problem"}],
        "properties": {"status": {"const": status.as_u16()}, "code": {"enum": []}},
    });
    let mut response = json!({"content": {MEDIA_TYPE: {"schema": schema}}});
    if problem::is_retryable(status) {
        let about = "Seconds after which the same request may be sent again.";
        let whole = json!({"type": "integer", "minimum": 0});
        response["headers"]["Retry-After"] = json!({"description": about, "schema": whole, "example": 1});
    }
    if status == StatusCode::UNAUTHORIZED {
        let example = "Bearer realm=\"keepsake\"";
        response["headers"]["WWW-Authenticate"] = json!({"schema": {"type": "string"}, "example": example});
    }
    response
}
