//! What the gate before a route asks for, and what it refuses, as each operation behind it tells it.

use serde_json::{Value, json};
use utoipa::openapi::SecurityRequirement;
use utoipa::openapi::path::{Operation, PathItem, Paths};

use super::headers::{self, Header};
use super::refusals::{self, Codes};
use crate::auth::Scope;
use crate::tenant::TENANT_HEADER;

pub(super) const BEARER: &str = "bearer";

const REFUSED: &Codes = &[
    (400, "malformed_header"),
    (400, "tenant_ambiguous"),
    (400, "tenant_invalid"),
    (400, "tenant_missing"),
    (401, "token_expired"),
    (401, "token_invalid"),
    (401, "token_missing"),
    (403, "tenant_mismatch"),
    (406, "not_acceptable"),
    (429, "rate_limited"),
    (500, "internal"),
    (503, "issuer_unavailable"),
    (503, "vault_unavailable"),
];
const REFUSED_FOR_SCOPE: &Codes = &[(403, "scope_missing")];

const TOLD: &[Header] = &[
    Header {
        name: "RateLimit",
        about: "What is left of the budgets of tenant and caller, for the next second.",
        example: "\"tenant\";r=4999;t=1, \"principal\";r=1999;t=1",
    },
    Header {
        name: "RateLimit-Policy",
        about: "How often tenant and caller may ask.",
        example: "\"tenant\";q=5000;w=1, \"principal\";q=2000;w=1",
    },
];

/// Says which scope the operations take; `None` for whoever is known.
pub(crate) fn require(paths: &mut Paths, scope: Option<Scope>) {
    for operation in paths.paths.values_mut().flat_map(operations) {
        let scopes: Vec<&str> = scope.map(Scope::name).into_iter().collect();
        operation.security = Some(vec![SecurityRequirement::new(BEARER, scopes)]);
    }
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = path;
    [get, put, post, delete, patch].into_iter().flatten()
}

pub(super) fn scheme() -> Value {
    json!({
        "type": "http",
        "scheme": "bearer",
        "description": "A JWT of an issuer that is trusted here, or an API key: each for its tenants, with its scopes.",
    })
}

/// Adds to an operation behind a gate what all of them have in common.
pub(super) fn complete(operation: &mut Value) {
    let Some(scopes) = operation["security"][0][BEARER].as_array().cloned() else { return };
    let scope = scopes.first().and_then(Value::as_str);
    let takes = scope.map_or_else(|| "Any token will do.".to_owned(), |scope| format!("Takes the scope `{scope}`."));
    let described = operation["description"]
        .as_str()
        .map_or_else(|| takes.clone(), |by_handler| format!("{by_handler}\n\n{takes}"));
    operation["description"] = described.into();
    let parameters = operation["parameters"].as_array().into_iter().flatten().cloned();
    operation["parameters"] = std::iter::once(tenant()).chain(parameters).collect();
    headers::add(operation, TOLD);
    let by_scope = if scope.is_some() { REFUSED_FOR_SCOPE } else { &[] };
    for (status, code) in REFUSED.iter().chain(by_scope) {
        refusals::refuse(operation, *status, code);
    }
}

fn tenant() -> Value {
    json!({
        "name": TENANT_HEADER,
        "in": "header",
        "required": true,
        "description": "The tenant the request is for; the token has to be one for it.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
        "example": "demo",
    })
}
