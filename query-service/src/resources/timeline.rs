//! `GET /api/v1/guests/{guest_id}/timeline`: a guest's whole life, in the order it came into the log.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use proto::EventType;
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
use crate::page::Order;
use crate::parameters::Parameters;
use crate::read::{Models, Query, Scope, members};

/// The type has no index, so one statement serves with and without it.
/// Each member of the cluster gives its own next page, and the first of all those rows are the page.
macro_rules! timeline {
    ($beyond:literal, $order:literal) => {
        concat!(
            "
-- timeline()
SELECT page.*
FROM ",
            members!(),
            "
CROSS JOIN LATERAL (
  SELECT event_id, event_type, occurred_at, recorded_at, position, event_index, summary::text AS summary
  FROM read.timeline
  WHERE tenant = $1
    AND guest_id = member.guest_id
    AND (position, event_index) ",
            $beyond,
            " ($2, $3)
    AND ($4::text IS NULL OR event_type = $4)
  ORDER BY position ",
            $order,
            ", event_index ",
            $order,
            "
  LIMIT $5
) AS page
ORDER BY position ",
            $order,
            ", event_index ",
            $order,
            "
LIMIT $5"
        )
    };
}

const NEWEST_FIRST: &str = timeline!("<", "DESC");
const OLDEST_FIRST: &str = timeline!(">", "ASC");

pub(crate) static ACT: Act = Act::new("timeline.read");

pub(crate) struct Timeline {
    event_type: Option<&'static str>,
    order: Order,
}

/// One event of a guest's life.
#[derive(Serialize, ToSchema)]
#[schema(as = TimelineEntry)]
pub(crate) struct Entry {
    event_id: String,
    /// What happened: `InteractionRecorded`.
    #[serde(rename = "type")]
    pub(crate) event_type: String,
    /// When it happened.
    #[schema(format = DateTime)]
    occurred_at: String,
    /// When we heard of it.
    #[schema(format = DateTime)]
    recorded_at: String,
    /// Where it stands in the log.
    position: i64,
    /// What of it a list shows.
    #[schema(value_type = Object)]
    summary: Box<RawValue>,
}

pub(crate) struct Answers;

impl IntoResponses for Answers {
    fn responses() -> Responses {
        openapi::list_of_a_guest(&[])
    }
}

/// List a guest's whole life
///
/// In the order it came into the log, newest first unless asked otherwise.
#[utoipa::path(
    get,
    path = "/guests/{guest_id}/timeline",
    operation_id = "list_guest_timeline",
    tag = "guests",
    params(
        GuestPath,
        ("type" = Option<String>, Query, description = "Only events of this name, as the timeline itself spells it."),
        ("sort" = Option<String>, Query, pattern = "^-?position$", description = "`position` for oldest first; `-position` unless given."),
        Selection,
        Paging,
        Scope
    ),
    responses((status = 200, description = "A page.", body = Page<Entry>), Answers)
)]
pub(crate) async fn read(
    service: State<Service>,
    scope: Scope,
    path: GuestPath,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    guest_list::read::<Timeline>(service, scope, path, parameters, headers).await
}

impl Selectable for Entry {
    const FIELDS: &'static [&'static str] = &["event_id", "type", "occurred_at", "recorded_at", "position", "summary"];
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) position: i64,
    pub(crate) event_index: i16,
}

/// Comes after every row there can be, and before.
pub(crate) const NOTHING_SEEN: Seen = Seen { position: i64::MAX, event_index: i16::MAX };
const NOTHING_YET: Seen = Seen { position: 0, event_index: 0 };

impl GuestList for Timeline {
    const NAME: &'static str = "timeline";
    const MODELS: Models = &["tenant", "identity", "timeline"];
    const ACT: &Act = &ACT;
    type Item = Entry;
    type Place = Seen;

    /// Takes `type` and `sort`.
    fn take(parameters: &mut Parameters) -> Result<Self, Fault> {
        let known = |name: String| EventType::named(&name).ok_or(Fault::Filter("type names no event there is"));
        let event_type = parameters.take("type").map(known).transpose()?;
        let order = Order::take(parameters, "position")?;
        Ok(Self { event_type: event_type.map(|event_type| event_type.name), order })
    }

    fn filters(&self) -> Vec<Option<&str>> {
        std::iter::once(self.event_type).chain(self.order.text().map(Some)).collect()
    }

    fn query(&self, tenant: &Tenant, after: Option<Seen>, limit: i64) -> Query {
        let (sql, begin) = match self.order {
            Order::NewestFirst => (NEWEST_FIRST, NOTHING_SEEN),
            Order::OldestFirst => (OLDEST_FIRST, NOTHING_YET),
        };
        let Seen { position, event_index } = after.unwrap_or(begin);
        let query = Query::new(sql).with(tenant.to_string());
        query.with(position).with(event_index).with(self.event_type).with(limit)
    }

    fn item(row: &Row) -> Result<Entry, Fault> {
        entry(row)
    }

    fn place(row: &Row) -> Result<Seen, Fault> {
        place(row)
    }
}

pub(crate) fn entry(row: &Row) -> Result<Entry, Fault> {
    Ok(Entry {
        event_id: row.try_get("event_id")?,
        event_type: row.try_get("event_type")?,
        occurred_at: instant::utc(row.try_get("occurred_at")?),
        recorded_at: instant::utc(row.try_get("recorded_at")?),
        position: row.try_get("position")?,
        summary: RawValue::from_string(row.try_get("summary")?)?,
    })
}

pub(crate) fn place(row: &Row) -> Result<Seen, Fault> {
    Ok(Seen { position: row.try_get("position")?, event_index: row.try_get("event_index")? })
}

impl Seen {
    /// As the id of an event of a live stream: `1234-0`.
    pub(crate) fn to_event(self) -> String {
        format!("{}-{}", self.position, self.event_index)
    }

    /// `None` of what was never such an id.
    pub(crate) fn of_event(id: &str) -> Option<Self> {
        let (position, event_index) = id.split_once('-')?;
        let seen = Self { position: position.parse().ok()?, event_index: event_index.parse().ok()? };
        (seen.position >= 0 && seen.event_index >= 0 && seen.to_event() == id).then_some(seen)
    }
}

impl Place for Seen {
    fn bytes(&self) -> Vec<u8> {
        [&self.position.to_be_bytes()[..], &self.event_index.to_be_bytes()].concat()
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (position, event_index) = bytes.split_first_chunk()?;
        let event_index = event_index.try_into().ok()?;
        Some(Self { position: i64::from_be_bytes(*position), event_index: i16::from_be_bytes(event_index) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::assert_complete;

    fn asked(query: &str) -> Result<Timeline, Fault> {
        let uri = format!("/?{query}").parse().expect("a URI");
        Timeline::take(&mut Parameters::of(&uri)?)
    }

    #[test]
    fn a_type_is_the_name_of_an_event() {
        assert_eq!(asked("type=GuestRegistered").expect("valid").event_type, Some("GuestRegistered"));
        assert_eq!(asked("").expect("valid").event_type, None);
        for unknown in ["type=", "type=guestregistered", "type=order.created"] {
            assert!(matches!(asked(unknown), Err(Fault::Filter(_))), "{unknown}");
        }
    }

    #[test]
    fn every_field_can_be_asked_for() {
        let [event_id, event_type, occurred_at, recorded_at] = [const { String::new() }; 4];
        let summary = RawValue::from_string("{}".to_owned()).expect("JSON");
        assert_complete(&Entry { event_id, event_type, occurred_at, recorded_at, position: 0, summary });
    }

    #[test]
    fn a_place_reads_back_as_it_was_written() {
        let seen = Seen { position: 918_273, event_index: 2 };
        assert_eq!(Seen::parse(&seen.bytes()), Some(seen));
    }

    #[test]
    fn the_id_of_an_event_reads_back_and_nothing_else_does() {
        let seen = Seen { position: 918_273, event_index: 2 };
        assert_eq!(seen.to_event(), "918273-2");
        assert_eq!(Seen::of_event("918273-2"), Some(seen));
        for text in ["", "-", "7", "7-", "-7-1", "7--1", "+7-1", "07-1", "7-1 ", "7-99999", "99999999999999999999-1"] {
            assert_eq!(Seen::of_event(text), None, "{text}");
        }
    }

    #[test]
    fn bytes_of_another_length_are_no_place() {
        for length in [0, 8, 9, 11] {
            assert_eq!(Seen::parse(&vec![0; length]), None, "{length} bytes");
        }
    }
}
