//! `GET /api/v1/guests/{guest_id}/interactions`: what one guest did.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, Utc};
use runtime::openapi::Responses;
use runtime::tenant::Tenant;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio_postgres::Row;
use utoipa::{IntoResponses, ToSchema};
use vault::audit::Act;

use crate::Service;
use crate::error::Fault;
use crate::fields::Selectable;
use crate::guest_list::{self, GuestList, Page, Place};
use crate::guest_path::GuestPath;
use crate::instant;
use crate::openapi::{self, Paging, Selection};
use crate::parameters::Parameters;
use crate::read::{Models, Query, Scope};
use filter::Filter;

mod filter;

pub(crate) struct Interactions(Filter);

/// One thing a guest did.
#[derive(Serialize, ToSchema)]
pub(crate) struct Interaction {
    #[serde(rename = "interaction_id")]
    id: String,
    /// What happened: `order.created`.
    kind: String,
    /// What it was about, in the caller's words; empty when nobody said.
    topic: String,
    /// When it happened, with the offset its caller gave.
    #[schema(format = DateTime)]
    occurred_at: String,
    /// When we heard of it.
    #[schema(format = DateTime)]
    recorded_at: String,
    /// Everything else about it, digit for digit as it was sent.
    #[schema(value_type = Object)]
    properties: Box<RawValue>,
    /// Where it happened: session, device, channel and the like.
    #[schema(value_type = Object)]
    context: Box<RawValue>,
    /// When it happened by its sender's clock, where that was wrong.
    #[schema(required, format = DateTime)]
    told_at: Option<String>,
    /// Where it stands in the log.
    position: i64,
}

impl Selectable for Interaction {
    const FIELDS: &'static [&'static str] = &[
        "interaction_id",
        "kind",
        "topic",
        "occurred_at",
        "recorded_at",
        "properties",
        "context",
        "told_at",
        "position",
    ];
}

pub(crate) struct Answers;

impl IntoResponses for Answers {
    fn responses() -> Responses {
        openapi::list_of_a_guest(&[(422, "invalid_date")])
    }
}

/// List what a guest did
///
/// By the time it happened, newest first unless asked otherwise.
#[utoipa::path(
    get,
    path = "/guests/{guest_id}/interactions",
    operation_id = "list_guest_interactions",
    tag = "interactions",
    params(
        GuestPath,
        ("kind" = Option<String>, Query, description = "Only what is of this kind. `type` means the same."),
        ("type" = Option<String>, Query, description = "Another name of `kind`: give one of them."),
        ("topic" = Option<String>, Query, description = "Only what is about this topic, however it is spelled."),
        ("from" = Option<String>, Query, format = DateTime, description = "Not before: RFC 3339 with an offset."),
        ("to" = Option<String>, Query, format = DateTime, description = "Before: RFC 3339 with an offset."),
        ("sort" = Option<String>, Query, pattern = "^-?occurred_at$", description = "`occurred_at` for oldest first; `-occurred_at` unless given."),
        Selection,
        Paging,
        Scope
    ),
    responses((status = 200, description = "A page.", body = Page<Interaction>), Answers)
)]
pub(crate) async fn read(
    service: State<Service>,
    scope: Scope,
    path: GuestPath,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    guest_list::read::<Interactions>(service, scope, path, parameters, headers).await
}

/// Several interactions may share an instant: the id makes the order total.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    at: DateTime<Utc>,
    id: String,
}

impl GuestList for Interactions {
    const NAME: &'static str = "interactions";
    const MODELS: Models = &["tenant", "identity", "interaction"];
    const ACT: &Act = &Act::new("interaction.read");
    type Item = Interaction;
    type Place = Seen;

    fn take(parameters: &mut Parameters) -> Result<Self, Fault> {
        Filter::take(parameters).map(Self)
    }

    fn filters(&self) -> Vec<Option<&str>> {
        self.0.texts()
    }

    fn query(&self, tenant: &Tenant, after: Option<Seen>, limit: i64) -> Query {
        self.0.query(tenant, after, limit)
    }

    fn item(row: &Row) -> Result<Interaction, Fault> {
        Ok(Interaction {
            id: row.try_get("interaction_id")?,
            kind: row.try_get("kind")?,
            topic: row.try_get("topic")?,
            occurred_at: instant::with_offset(row.try_get("occurred_at")?, row.try_get("occurred_at_offset_minutes")?),
            recorded_at: instant::utc(row.try_get("recorded_at")?),
            properties: RawValue::from_string(row.try_get("properties")?)?,
            context: RawValue::from_string(row.try_get("context")?)?,
            told_at: row.try_get::<_, Option<_>>("told_at")?.map(instant::utc),
            position: row.try_get("position")?,
        })
    }

    fn place(row: &Row) -> Result<Seen, Fault> {
        Ok(Seen { at: row.try_get("occurred_at")?, id: row.try_get("interaction_id")? })
    }
}

impl Place for Seen {
    fn bytes(&self) -> Vec<u8> {
        [&self.at.timestamp_micros().to_be_bytes(), self.id.as_bytes()].concat()
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (micros, id) = bytes.split_first_chunk()?;
        let at = DateTime::from_timestamp_micros(i64::from_be_bytes(*micros))?;
        Some(Self { at, id: std::str::from_utf8(id).ok()?.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::assert_complete;

    #[test]
    fn every_field_can_be_asked_for() {
        let [id, kind, topic, occurred_at, recorded_at] = [const { String::new() }; 5];
        let [properties, context] = ["{}"; 2].map(|json| RawValue::from_string(json.to_owned()).expect("JSON"));
        let told_at = None;
        let position = 0;
        assert_complete(&Interaction {
            id,
            kind,
            topic,
            occurred_at,
            recorded_at,
            properties,
            context,
            told_at,
            position,
        });
    }

    #[test]
    fn a_place_reads_back_as_it_was_written() {
        let at = DateTime::from_timestamp_micros(-1_234_567).expect("in range");
        let seen = Seen { at, id: "evt_1".to_owned() };
        assert_eq!(Seen::parse(&seen.bytes()), Some(seen));
    }

    #[test]
    fn bytes_without_a_time_and_a_text_are_no_place() {
        for bytes in [&[][..], &[0; 7], &[0x7f; 8], &[0, 0, 0, 0, 0, 0, 0, 0, 0xff]] {
            assert_eq!(Seen::parse(bytes), None, "{bytes:?}");
        }
    }
}
