//! The OpenAPI document of a service: handlers and gates say what a route takes and gives, and here it is written down.

mod gate;
mod headers;
mod parameters;
mod refusals;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};
use utoipa::PartialSchema as _;
use utoipa::openapi::OpenApi;

pub use headers::{Header, succeeds_with};
pub use parameters::{header_parameter, path_parameter, query_parameter, text, whole_number};
pub use refusals::{Codes, Responses, refusals, refuse};

pub(crate) use gate::require;

use crate::problem;

const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

/// What a document says of itself.
pub struct About {
    pub title: &'static str,
    pub description: &'static str,
    pub version: &'static str,
    /// Groups of operations in the order they are shown in, and what each is.
    pub tags: &'static [(&'static str, &'static str)],
}

/// The document of what was registered.
///
/// # Panics
/// Never: a document has texts for keys and no number that JSON lacks.
pub fn document(about: &About, api: &OpenApi) -> Value {
    let mut document = serde_json::to_value(api).expect("a document has texts for keys, and no number that JSON lacks");
    document["info"] = json!({
        "title": about.title,
        "version": about.version,
        "description": about.description,
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    });
    let tag = |(name, description): &(&str, &str)| json!({"name": name, "description": description});
    document["tags"] = about.tags.iter().map(tag).collect();
    document["components"]["schemas"]["Problem"] = problem_schema();
    document["components"]["securitySchemes"][gate::BEARER] = gate::scheme();
    for operation in operations(&mut document) {
        parameters::leave_out_null(operation);
        headers::spread(operation);
        refusals::spell_out(operation);
        gate::complete(operation);
    }
    document
}

/// Every operation of a document.
pub fn operations(document: &mut Value) -> impl Iterator<Item = &mut Value> {
    let paths = document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut());
    let operations = paths.filter_map(Value::as_object_mut).flatten();
    operations.filter(|(method, _)| METHODS.contains(&method.as_str())).map(|(_, operation)| operation)
}

/// The schema of every answer that is not a success.
pub fn problem_schema() -> Value {
    serde_json::to_value(problem::Document::schema()).unwrap_or_default()
}
