//! `POST /event`: an interaction in the words of the event-capturing service.

use axum::http::StatusCode;
use axum::response::Response;
use proto::Command;
use proto::interactions::RecordInteraction;
use proto::interactions::command::Kind;
use runtime::openapi::{Codes, Responses};
use runtime::problem::Problem;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::{IntoResponses, ToSchema};

use super::{Write, openapi};
use crate::ingress::decode;

/// Something a guest did, in the words of the event-capturing service.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewEvent {
    /// Our id of the guest, or an identifier of the caller's; `userId`, too.
    #[schema(required)]
    #[serde(default, alias = "userId")]
    user_id: String,
    /// What kind of identifier `user_id` is; `user_id` when absent.
    #[serde(default)]
    namespace: String,
    /// What happened, in dotted lower-case words: `order.created`; `eventName` and `event`, too.
    #[schema(required)]
    #[serde(default, alias = "eventName", alias = "event")]
    event_name: String,
    /// When it happened: RFC 3339 with an offset; `eventTime`, `event_time` and `timestamp`, too.
    #[schema(required, format = DateTime)]
    #[serde(default, alias = "eventTime", alias = "event_time", alias = "timestamp")]
    event_at: String,
    /// What it was about, in the caller's words.
    #[serde(default)]
    topic: String,
    /// Everything else about it; `properties`, too.
    #[schema(value_type = Option<Object>)]
    #[serde(alias = "properties")]
    attributes: Option<Box<RawValue>>,
    /// Where it happened: session, device, channel and the like.
    #[schema(value_type = Option<Object>)]
    context: Option<Box<RawValue>>,
    /// When this was sent, by the same clock as `event_at`: tells by how much that clock is wrong; `sentAt`, too.
    #[serde(default, alias = "sentAt")]
    #[schema(format = DateTime)]
    sent_at: String,
    /// Makes a retry the same event; the header `Idempotency-Key` says the same and wins. `messageId` and `message_id`, too.
    #[schema(pattern = "^[!-~]{1,255}$")]
    #[serde(alias = "messageId", alias = "message_id")]
    user_event_id: Option<String>,
}

pub(super) struct Answers;

impl IntoResponses for Answers {
    fn responses() -> Responses {
        openapi::carried_out(StatusCode::ACCEPTED, &[openapi::FOR_A_TENANT, openapi::FOR_A_GUEST, EVENT])
    }
}

const EVENT: &Codes =
    &[(400, "event_time_required"), (400, "missing_identity"), (404, "guest_not_found"), (422, "invalid_date")];

/// Record an event
///
/// The same as an interaction, in the words of the event-capturing service.
#[utoipa::path(
    post,
    path = "/event",
    operation_id = "record_event",
    tag = "interactions",
    params(Write),
    request_body(content = NewEvent, example = json!({
        "user_id": "ada", "event_name": "order.created", "event_at": "2026-03-01T10:00:00+01:00",
        "topic": "Jazz", "attributes": {"dollar_value": 29.90},
    })),
    responses(Answers)
)]
pub(super) async fn record(mut write: Write) -> Result<Response, Problem> {
    let (id, record) = decode::json::<NewEvent>(&write.json)?.record()?;
    if let (None, Some(id)) = (&write.id, &id) {
        write.id = Some(decode::command_id(id.as_bytes())?);
    }
    write.execute(Command::Interactions(Kind::Record(record)), StatusCode::ACCEPTED).await
}

impl NewEvent {
    /// The interaction it is, and the id its sender has for it.
    pub(super) fn record(self) -> Result<(Option<String>, RecordInteraction), Problem> {
        if self.event_at.is_empty() {
            return Err(Problem::bad_request("event_time_required", "an event says when it happened").at("#/event_at"));
        }
        if self.user_id.is_empty() {
            return Err(Problem::bad_request("missing_identity", "an event says whose it is").at("#/user_id"));
        }
        let record = RecordInteraction {
            guest_id: self.user_id,
            namespace: self.namespace,
            kind: self.event_name,
            topic: self.topic,
            occurred_at: self.event_at,
            properties: decode::object("attributes", self.attributes.as_deref())?,
            context: decode::object("context", self.context.as_deref())?,
            sent_at: self.sent_at,
        };
        Ok((self.user_event_id, record))
    }
}
