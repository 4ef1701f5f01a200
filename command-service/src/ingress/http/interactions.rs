//! `POST /api/v1/guests/{guest_id}/interactions`: records one interaction of a guest.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;
use proto::Command;
use proto::interactions::RecordInteraction;
use proto::interactions::command::Kind;
use runtime::openapi::{Codes, Responses};
use runtime::problem::Problem;
use serde::Deserialize;
use utoipa::IntoResponses;

use super::{Write, openapi};
use crate::ingress::decode;

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Addressing {
    /// What kind of identifier the path's id is when it is the caller's.
    #[serde(default)]
    #[param(pattern = "^[a-z0-9_]{0,64}$")]
    namespace: String,
}

pub(super) struct Answers;

impl IntoResponses for Answers {
    fn responses() -> Responses {
        openapi::carried_out(StatusCode::CREATED, &[openapi::FOR_A_TENANT, openapi::FOR_A_GUEST, RECORDED])
    }
}

const RECORDED: &Codes =
    &[(404, "guest_not_found"), (422, "invalid_date"), (422, "invalid_filter"), (428, "precondition_required")];

/// Record what a guest did
#[utoipa::path(
    post,
    path = "/guests/{guest_id}/interactions",
    operation_id = "record_guest_interaction",
    tag = "interactions",
    params(
        ("guest_id" = String, Path, description = "Our id of the guest (`prf_…`), or an identifier of yours."),
        Addressing,
        Write
    ),
    request_body(content = ref("#/components/schemas/RecordInteraction"), content_type = "application/json", example = json!({
        "kind": "order.created", "topic": "Jazz", "properties": {"dollar_value": 29.90},
    })),
    responses(Answers)
)]
pub(super) async fn record(
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<Addressing>, QueryRejection>,
    write: Write,
) -> Result<Response, Problem> {
    let Path(guest_id) = path.map_err(|_| Problem::unprocessable("invalid_identifier", "the path is not UTF-8"))?;
    let Query(query) =
        query.map_err(|_| Problem::unprocessable("invalid_filter", "this takes ?namespace= once, and nothing else"))?;
    write.require_precondition()?;
    let mut record: RecordInteraction = decode::json(&write.json)?;
    agree("guest_id", &mut record.guest_id, guest_id)?;
    if !query.namespace.is_empty() {
        agree("namespace", &mut record.namespace, query.namespace)?;
    }
    write.execute(Command::Interactions(Kind::Record(record)), StatusCode::CREATED).await
}

/// The URL decides; a body that says otherwise is a mistake of the caller's.
fn agree(field: &str, in_body: &mut String, in_url: String) -> Result<(), Problem> {
    if !in_body.is_empty() && *in_body != in_url {
        return Err(
            Problem::unprocessable("validation_failed", "differs from the one in the URL").at(format!("#/{field}"))
        );
    }
    *in_body = in_url;
    Ok(())
}
