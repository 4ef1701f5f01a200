//! `GET /api/v1/guests/{guest_id}/timeline`: a guest's whole life, newest first, in the order it came into the log.

use proto::EventType;
use runtime::tenant::Tenant;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio_postgres::Row;
use vault::audit::Act;

use crate::error::Fault;
use crate::guest_list::{GuestList, Place};
use crate::instant;
use crate::parameters::Parameters;
use crate::read::{Models, Query, members};

/// The type has no index, so one statement serves with and without it.
/// Each member of the cluster gives its own next page, and the first of all those rows are the page.
const TIMELINE: &str = concat!(
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
    AND (position, event_index) < ($2, $3)
    AND ($4::text IS NULL OR event_type = $4)
  ORDER BY position DESC, event_index DESC
  LIMIT $5
) AS page
ORDER BY position DESC, event_index DESC
LIMIT $5"
);

pub(crate) struct Timeline {
    event_type: Option<&'static str>,
}

#[derive(Serialize)]
pub(crate) struct Entry {
    event_id: String,
    #[serde(rename = "type")]
    event_type: String,
    occurred_at: String,
    recorded_at: String,
    position: i64,
    summary: Box<RawValue>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    position: i64,
    event_index: i16,
}

/// Comes after every row there can be.
const NOTHING_SEEN: Seen = Seen { position: i64::MAX, event_index: i16::MAX };

impl GuestList for Timeline {
    const NAME: &'static str = "timeline";
    const MODELS: Models = &["tenant", "identity", "timeline"];
    const ACT: &Act = &Act::new("timeline.read");
    type Item = Entry;
    type Place = Seen;

    /// Takes `type`.
    fn take(parameters: &mut Parameters) -> Result<Self, Fault> {
        let known = |name: String| EventType::named(&name).ok_or(Fault::Filter("type names no event there is"));
        let event_type = parameters.take("type").map(known).transpose()?;
        Ok(Self { event_type: event_type.map(|event_type| event_type.name) })
    }

    fn filters(&self) -> Vec<Option<&str>> {
        vec![self.event_type]
    }

    fn query(&self, tenant: &Tenant, after: Option<Seen>, limit: i64) -> Query {
        let Seen { position, event_index } = after.unwrap_or(NOTHING_SEEN);
        let query = Query::new(TIMELINE).with(tenant.to_string());
        query.with(position).with(event_index).with(self.event_type).with(limit)
    }

    fn item(row: &Row) -> Result<Entry, Fault> {
        Ok(Entry {
            event_id: row.try_get("event_id")?,
            event_type: row.try_get("event_type")?,
            occurred_at: instant::utc(row.try_get("occurred_at")?),
            recorded_at: instant::utc(row.try_get("recorded_at")?),
            position: row.try_get("position")?,
            summary: RawValue::from_string(row.try_get("summary")?)?,
        })
    }

    fn place(row: &Row) -> Result<Seen, Fault> {
        Ok(Seen { position: row.try_get("position")?, event_index: row.try_get("event_index")? })
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
    fn a_place_reads_back_as_it_was_written() {
        let seen = Seen { position: 918_273, event_index: 2 };
        assert_eq!(Seen::parse(&seen.bytes()), Some(seen));
    }

    #[test]
    fn bytes_of_another_length_are_no_place() {
        for length in [0, 8, 9, 11] {
            assert_eq!(Seen::parse(&vec![0; length]), None, "{length} bytes");
        }
    }
}
