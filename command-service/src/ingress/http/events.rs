//! `POST /event`: an interaction in the words of the event-capturing service.

use axum::http::StatusCode;
use axum::response::Response;
use proto::Command;
use proto::interactions::RecordInteraction;
use proto::interactions::command::Kind;
use runtime::problem::Problem;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Write;
use crate::ingress::decode;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewEvent {
    #[serde(default, alias = "userId")]
    user_id: String,
    /// What kind of identifier `user_id` is; `user_id` when absent.
    #[serde(default)]
    namespace: String,
    #[serde(default, alias = "eventName", alias = "event")]
    event_name: String,
    #[serde(default, alias = "eventTime", alias = "event_time", alias = "timestamp")]
    event_at: String,
    #[serde(default)]
    topic: String,
    #[serde(alias = "properties")]
    attributes: Option<Box<RawValue>>,
    /// Makes a retry the same event; the header `Idempotency-Key` says the same and wins.
    #[serde(alias = "messageId", alias = "message_id")]
    user_event_id: Option<String>,
}

pub(super) async fn record(mut write: Write) -> Result<Response, Problem> {
    let event: NewEvent = decode::json(&write.json)?;
    if event.event_at.is_empty() {
        return Err(Problem::bad_request("event_time_required", "an event says when it happened").at("#/event_at"));
    }
    if event.user_id.is_empty() {
        return Err(Problem::bad_request("missing_identity", "an event says whose it is").at("#/user_id"));
    }
    if let (None, Some(id)) = (&write.id, &event.user_event_id) {
        write.id = Some(decode::command_id(id.as_bytes())?);
    }
    let record = RecordInteraction {
        guest_id: event.user_id,
        namespace: event.namespace,
        kind: event.event_name,
        topic: event.topic,
        occurred_at: event.event_at,
        properties: decode::object("attributes", event.attributes.as_deref())?,
    };
    write.execute(Command::Interactions(Kind::Record(record)), StatusCode::ACCEPTED).await
}
