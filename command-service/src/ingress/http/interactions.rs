//! `POST /api/v1/guests/{guest_id}/interactions`: records one interaction of a guest.

use axum::http::StatusCode;
use axum::response::Response;
use proto::Command;
use proto::interactions::RecordInteraction;
use proto::interactions::command::Kind;
use runtime::openapi::{Codes, Responses};
use runtime::problem::Problem;
use utoipa::IntoResponses;

use super::addressed::Addressed;
use super::{Write, openapi};

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
    params(Addressed, Write),
    request_body(content = ref("#/components/schemas/RecordInteraction"), content_type = "application/json", example = json!({
        "kind": "order.created", "topic": "Jazz", "properties": {"dollar_value": 29.90},
    })),
    responses(Answers)
)]
pub(super) async fn record(guest: Addressed, write: Write) -> Result<Response, Problem> {
    let record =
        guest.command(&write, |record: &mut RecordInteraction| (&mut record.guest_id, &mut record.namespace))?;
    write.execute(Command::Interactions(Kind::Record(record)), StatusCode::CREATED).await
}
