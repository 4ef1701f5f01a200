//! `GET /api/v1/guests/{guest_id}/interactions`: what one guest did.

use chrono::{DateTime, Utc};
use runtime::tenant::Tenant;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio_postgres::Row;
use vault::audit::Act;

use crate::error::Fault;
use crate::fields::Selectable;
use crate::guest_list::{GuestList, Place};
use crate::instant;
use crate::parameters::Parameters;
use crate::read::{Models, Query};
use filter::Filter;

mod filter;

pub(crate) struct Interactions(Filter);

#[derive(Serialize)]
pub(crate) struct Interaction {
    #[serde(rename = "interaction_id")]
    id: String,
    kind: String,
    topic: String,
    occurred_at: String,
    recorded_at: String,
    properties: Box<RawValue>,
    position: i64,
}

impl Selectable for Interaction {
    const FIELDS: &'static [&'static str] =
        &["interaction_id", "kind", "topic", "occurred_at", "recorded_at", "properties", "position"];
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
        let properties = RawValue::from_string("{}".to_owned()).expect("JSON");
        assert_complete(&Interaction { id, kind, topic, occurred_at, recorded_at, properties, position: 0 });
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
