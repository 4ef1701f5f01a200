//! What a command looks like, for programs: JSON Schemas, the AsyncAPI document, and this service's part of the OpenAPI document.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderName, header};
use axum::response::IntoResponse;
use proto::{Command, REPLY_SCHEMA};
use runtime::openapi::{Responses, refusals};
use runtime::problem::Problem;
use utoipa::IntoResponses;

use super::Door;

/// The AsyncAPI 3 document
///
/// The same commands, and what is told of them, over NATS.
#[utoipa::path(
    get,
    path = "/asyncapi.json",
    operation_id = "get_asyncapi_document",
    tag = "documents",
    responses((status = 200, description = "The document.", body = Object))
)]
pub(super) async fn asyncapi(State(door): State<Door>) -> impl IntoResponse {
    (json("application/json"), door.asyncapi.to_string())
}

/// `GET /openapi.json`: what query-service merges with its own.
pub(super) async fn openapi(State(door): State<Door>) -> impl IntoResponse {
    (json("application/json"), door.openapi.to_string())
}

pub(super) struct Answers;

impl IntoResponses for Answers {
    fn responses() -> Responses {
        refusals(&[&[(404, "route_not_found")]])
    }
}

/// The JSON Schema of a command
#[utoipa::path(
    get,
    path = "/schemas/{name}",
    operation_id = "get_schema",
    tag = "documents",
    params(("name" = String, Path, description = "Facet and command: `guest.register.json`; or `reply.json`.")),
    responses((status = 200, description = "The schema.", body = Object, content_type = "application/schema+json"), Answers)
)]
pub(super) async fn schema(path: Result<Path<String>, PathRejection>) -> Result<impl IntoResponse, Problem> {
    let unknown = || Problem::not_found("route_not_found", "there is no such schema");
    let Path(name) = path.map_err(|_| unknown())?;
    let schema = match name.strip_suffix(".json").ok_or_else(unknown)?.split_once('.') {
        None if name == "reply.json" => Some(REPLY_SCHEMA),
        None => None,
        Some(named) => Command::SCHEMAS
            .iter()
            .find(|(facet, command, _)| (*facet, *command) == named)
            .map(|(_, _, schema)| *schema),
    };
    Ok((json("application/schema+json"), schema.ok_or_else(unknown)?))
}

fn json(media_type: &'static str) -> [(HeaderName, &'static str); 2] {
    [(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, "max-age=300")]
}
