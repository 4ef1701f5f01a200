//! What a command looks like, for programs: JSON Schemas and the AsyncAPI document.

use axum::extract::{Path, State};
use axum::http::{HeaderName, header};
use axum::response::IntoResponse;
use proto::{Command, REPLY_SCHEMA};
use runtime::problem::Problem;

use super::Door;

/// `GET /asyncapi.json`
pub(super) async fn asyncapi(State(door): State<Door>) -> impl IntoResponse {
    (json("application/json"), door.asyncapi.to_string())
}

/// `GET /schemas/{name}`: `guest.register.json`, `reply.json`
pub(super) async fn schema(Path(name): Path<String>) -> Result<impl IntoResponse, Problem> {
    let unknown = || Problem::not_found("route_not_found", "there is no such schema");
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
