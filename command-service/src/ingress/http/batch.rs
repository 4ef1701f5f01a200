//! `POST /api/v1/events` and `…/guests/{guest_id}/interactions/batch`: many at once. Each is a command of its own, carried out or
//! refused by itself, and has a verdict of its own.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use futures_util::stream;
use proto::interactions::RecordInteraction;
use proto::interactions::command::Kind;
use proto::{Command, Reply, token};
use runtime::openapi::{Codes, Responses};
use runtime::problem::Problem;
use runtime::trace;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoResponses, ToSchema};

use super::addressed::Addressed;
use super::events::NewEvent;
use super::{Door, Write, openapi};
use crate::commit::Request;
use crate::error::Fault;
use crate::ingress::decode;
use crate::target;

const MOST: usize = 1_000;
/// Guests whose items are carried out at the same time; those of one guest follow each other.
const AT_ONCE: usize = 64;

/// Events of any guests.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewEvents {
    /// 1 to 1,000 of them.
    #[schema(value_type = Vec<NewEvent>)]
    events: Vec<Box<RawValue>>,
}

/// What one guest did.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewInteractions {
    /// 1 to 1,000 of them.
    #[schema(value_type = Vec<NewInteraction>)]
    interactions: Vec<Box<RawValue>>,
}

/// One thing the guest did.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct NewInteraction {
    /// Makes a retry the same interaction.
    #[schema(pattern = "^[!-~]{1,255}$")]
    message_id: Option<String>,
    /// What happened, in dotted lower-case words: `order.created`.
    #[schema(required)]
    kind: String,
    /// What it was about, in the caller's words.
    topic: String,
    /// When it happened: RFC 3339 with an offset. Absent: now.
    #[schema(format = DateTime)]
    occurred_at: String,
    /// When this was sent, by the same clock as `occurred_at`.
    #[schema(format = DateTime)]
    sent_at: String,
    /// Everything else about it.
    #[schema(value_type = Option<Object>)]
    properties: Option<Box<RawValue>>,
    /// Where it happened: session, device, channel and the like.
    #[schema(value_type = Option<Object>)]
    context: Option<Box<RawValue>>,
}

/// What became of each.
#[derive(Serialize, ToSchema)]
struct Verdicts {
    /// Carried out now.
    accepted: usize,
    /// Carried out before.
    duplicate: usize,
    /// Never to be carried out as they are.
    rejected: usize,
    /// Not carried out, or nobody knows: to be sent again under the same ids.
    failed: usize,
    /// Sent back as `X-Min-Position`, it makes a read wait until it has seen all that was carried out; empty when nothing was.
    consistency_token: String,
    /// Those that were rejected or failed, in their order.
    items: Vec<ItemVerdict>,
}

#[derive(Serialize, ToSchema)]
struct ItemVerdict {
    /// Where it stands in the batch; the first is 0.
    index: usize,
    /// The command's id.
    id: String,
    /// `rejected` or `failed`.
    status: &'static str,
    #[schema(value_type = Object)]
    problem: Problem,
}

pub(super) struct Answers;

impl IntoResponses for Answers {
    fn responses() -> Responses {
        openapi::refused(&[openapi::FOR_A_TENANT, openapi::FOR_A_GUEST, OF_A_BATCH])
    }
}

const OF_A_BATCH: &Codes = &[
    (400, "idempotency_key_invalid"),
    (400, "if_match_invalid"),
    (422, "invalid_filter"),
    (503, "log_not_durable"),
    (503, "log_unavailable"),
];

/// Record many events
///
/// Each is recorded or refused by itself: 200 when all were recorded, now or before, and 207 when some were not.
#[utoipa::path(
    post,
    path = "/events",
    operation_id = "record_events",
    tag = "interactions",
    params(Write),
    request_body(content = NewEvents, example = json!({"events": [
        {"user_id": "ada", "event_name": "order.created", "event_at": "2026-03-01T10:00:00+01:00", "message_id": "m-1"},
        {"user_id": "bob", "event_name": "product.viewed", "event_at": "2026-03-01T10:00:05+01:00", "message_id": "m-2"},
    ]})),
    responses(
        (status = 200, description = "All were recorded, now or before.", body = Verdicts),
        (status = 207, description = "Some were not: `items` says which, and why.", body = Verdicts),
        Answers
    )
)]
pub(super) async fn events(write: Write) -> Result<Response, Problem> {
    let NewEvents { events } = decode::json(&write.json)?;
    let read = |event: &RawValue| decode::json::<NewEvent>(event.get().as_bytes())?.record();
    write.execute_all("events", &events, read).await
}

/// Record many things a guest did
///
/// Each is recorded or refused by itself: 200 when all were recorded, now or before, and 207 when some were not.
#[utoipa::path(
    post,
    path = "/guests/{guest_id}/interactions/batch",
    operation_id = "record_guest_interactions",
    tag = "interactions",
    params(Addressed, Write),
    request_body(content = NewInteractions, example = json!({"interactions": [
        {"kind": "product.viewed", "topic": "Jazz", "message_id": "m-1"}, {"kind": "order.created", "message_id": "m-2"},
    ]})),
    responses(
        (status = 200, description = "All were recorded, now or before.", body = Verdicts),
        (status = 207, description = "Some were not: `items` says which, and why.", body = Verdicts),
        Answers
    )
)]
pub(super) async fn interactions(guest: Addressed, write: Write) -> Result<Response, Problem> {
    guest.require_name()?;
    let NewInteractions { interactions } = decode::json(&write.json)?;
    let read = |item: &RawValue| {
        let new: NewInteraction = decode::json(item.get().as_bytes())?;
        let (guest_id, namespace) = guest.name();
        let record = RecordInteraction {
            guest_id: guest_id.to_owned(),
            namespace: namespace.to_owned(),
            kind: new.kind,
            topic: new.topic,
            occurred_at: new.occurred_at,
            sent_at: new.sent_at,
            properties: decode::object("properties", new.properties.as_deref())?,
            context: decode::object("context", new.context.as_deref())?,
        };
        Ok((new.message_id, record))
    };
    write.execute_all("interactions", &interactions, read).await
}

/// An item, and what became of it.
struct Item<T> {
    index: usize,
    id: String,
    content: T,
}

impl Write {
    /// Carries each item out by itself; `read` says what one is, and under which id.
    async fn execute_all(
        self,
        field: &'static str,
        items: &[Box<RawValue>],
        read: impl Fn(&RawValue) -> Result<(Option<String>, RecordInteraction), Problem>,
    ) -> Result<Response, Problem> {
        if items.is_empty() {
            return Err(Problem::unprocessable("validation_failed", "there is nothing in it").at(format!("#/{field}")));
        }
        if items.len() > MOST {
            let detail = format!("takes at most {MOST} at once");
            return Err(Problem::unprocessable("too_many_items", detail).at(format!("#/{field}")));
        }
        if self.precondition.is_some() {
            return Err(Problem::bad_request("if_match_invalid", "many at once rest on no version"));
        }
        let Ok(permit) = Arc::clone(&self.door.in_flight).try_acquire_owned() else {
            return Err(Fault::Overloaded.into());
        };
        self.door.executor.require_active(&self.tenant).await?;
        let (mut ended, mut by_guest) = (Vec::with_capacity(items.len()), HashMap::<_, Vec<_>>::new());
        for (index, item) in items.iter().enumerate() {
            match read(item).and_then(|(id, record)| self.item(index, id, record)) {
                Ok(item) => {
                    by_guest.entry(target::address(&item.content)).or_default().push(item);
                }
                Err(problem) => ended.push(Item { index, id: String::new(), content: Err(problem) }),
            }
        }
        let (door, principal) = (self.door.clone(), self.principal.clone());
        // A task of its own: a caller who hangs up does not stop it half-way.
        let carried_out = tokio::spawn(trace::here(async move {
            let _permit = permit;
            let guests = stream::iter(by_guest.into_values());
            let carried_out = guests.map(|items| in_order(&door, principal.own(), items)).buffer_unordered(AT_ONCE);
            carried_out.collect::<Vec<_>>().await.into_iter().flatten().collect::<Vec<_>>()
        }));
        ended.extend(carried_out.await.map_err(|panic| Problem::internal(&panic))?);
        Ok(respond(ended))
    }

    /// The request of an item: under its own id, or one made of the batch's.
    fn item(&self, index: usize, id: Option<String>, record: RecordInteraction) -> Result<Item<Request>, Problem> {
        let id = match (id, &self.id) {
            (Some(id), _) => decode::command_id(id.as_bytes())?,
            (None, Some(of_batch)) => decode::command_id(format!("{of_batch}.{index}").as_bytes())?,
            (None, None) => decode::new_command_id(),
        };
        let content = self.request(id.clone(), Command::Interactions(Kind::Record(record)));
        Ok(Item { index, id, content })
    }
}

async fn in_order(
    door: &Door,
    own: Option<&proto::identifier::Identifier>,
    items: Vec<Item<Request>>,
) -> Vec<Item<Result<Reply, Problem>>> {
    let mut ended = Vec::with_capacity(items.len());
    for Item { index, id, content: request } in items {
        let outcome = async {
            if let Some(own) = own {
                door.executor.require_own(&request, own).await?;
            }
            door.executor.execute(&request).await
        };
        ended.push(Item { index, id, content: outcome.await.map_err(Problem::from) });
    }
    ended
}

fn respond(mut ended: Vec<Item<Result<Reply, Problem>>>) -> Response {
    ended.sort_by_key(|item| item.index);
    let mut verdicts = Verdicts {
        accepted: 0,
        duplicate: 0,
        rejected: 0,
        failed: 0,
        consistency_token: String::new(),
        items: Vec::new(),
    };
    let mut last = 0;
    for Item { index, id, content } in ended {
        match content {
            Ok(reply) => {
                last = last.max(reply.position);
                *(if reply.replayed { &mut verdicts.duplicate } else { &mut verdicts.accepted }) += 1;
            }
            Err(problem) => {
                let may_be_sent_again = problem.is_retryable() || problem.status().is_server_error();
                let (count, status) = if may_be_sent_again {
                    (&mut verdicts.failed, "failed")
                } else {
                    (&mut verdicts.rejected, "rejected")
                };
                *count += 1;
                verdicts.items.push(ItemVerdict { index, id, status, problem });
            }
        }
    }
    if last > 0 {
        verdicts.consistency_token = token::write(last);
    }
    let status = if verdicts.items.is_empty() { StatusCode::OK } else { StatusCode::MULTI_STATUS };
    (status, Json(verdicts)).into_response()
}
