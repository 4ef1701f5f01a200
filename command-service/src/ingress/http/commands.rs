//! `GET /api/v1/commands/{command_id}`: how a command ended that nobody waited for.

use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use runtime::openapi::{Responses, refusals};
use runtime::problem::Problem;
use runtime::tenant::RequestTenant;
use utoipa::IntoResponses;

use super::Door;
use crate::ingress::decode;
use crate::verdicts::{Status, StoredVerdict};

const WAIT_MS: &str = "x-wait-ms";
const LONGEST_WAIT_MS: u64 = 10_000;

pub(super) struct Answers;

impl IntoResponses for Answers {
    fn responses() -> Responses {
        refusals(&[&[
            (400, "idempotency_key_invalid"),
            (400, "invalid_position"),
            (404, "command_unknown"),
            (503, "intake_unavailable"),
        ]])
    }
}

/// Ask how a command ended
///
/// Verdicts are kept for a week, of commands that nobody waited for.
#[utoipa::path(
    get,
    path = "/commands/{command_id}",
    operation_id = "get_command_verdict",
    tag = "commands",
    params(
        ("command_id" = String, Path, pattern = "^[!-~]{1,255}$", description = "The id it was sent under."),
        ("X-Wait-Ms" = Option<u16>, Header, maximum = 10000, description = "Milliseconds to wait for it to end.")
    ),
    responses(
        (status = 200, description = "It has ended.", body = ref("#/components/schemas/Verdict")),
        (status = 202, description = "It waits.", body = ref("#/components/schemas/Verdict")),
        Answers
    )
)]
pub(super) async fn verdict(
    State(door): State<Door>,
    RequestTenant(tenant): RequestTenant,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Path(id) = path.map_err(|_| unknown())?;
    let id = decode::command_id(id.as_bytes())?;
    let verdict = door.verdicts.await_verdict(&tenant, &id, wait(&headers)?).await?;
    Ok(respond(verdict.ok_or_else(unknown)?))
}

/// How long the caller waits for a command to end; not at all when it does not say.
fn wait(headers: &HeaderMap) -> Result<Duration, Problem> {
    let Some(value) = headers.get(WAIT_MS) else { return Ok(Duration::ZERO) };
    let millis = value.to_str().ok().and_then(|text| text.parse().ok()).filter(|millis| *millis <= LONGEST_WAIT_MS);
    let detail = format!("X-Wait-Ms takes milliseconds, 0 to {LONGEST_WAIT_MS}");
    millis.map(Duration::from_millis).ok_or_else(|| Problem::bad_request("invalid_position", detail))
}

fn respond(verdict: StoredVerdict) -> Response {
    let status = match verdict.status() {
        Status::Pending => StatusCode::ACCEPTED,
        Status::Accepted | Status::Refused => StatusCode::OK,
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (status, headers, verdict.into_json()).into_response()
}

fn unknown() -> Problem {
    Problem::not_found(
        "command_unknown",
        "nothing is known of this command: it was not sent, still waits, was answered to its sender, or ended over 7 days ago",
    )
}
