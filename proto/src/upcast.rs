//! From an event as it was written to the event as this binary knows it: one step for each schema version, chained.
//!
//! Adding a field needs no new version: old events read as if it were empty. A new version is for a field whose meaning changed;
//! it comes with the step from the version before, and with the samples of all versions in `proto/samples`.

use std::borrow::Cow;

use prost::DecodeError;

use crate::{Event, EventType};

/// Rewrites the encoding of one version of an event into that of the next.
type Step = fn(&[u8]) -> Result<Vec<u8>, DecodeError>;

/// The step from a version of an event type to the next one.
struct Upcaster {
    event_type: &'static str,
    from: u32,
    step: Step,
}

/// Every step there is.
const UPCASTERS: &[Upcaster] = &[];

/// Why a stored event cannot be read. None of these is ever skipped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventFault {
    #[error("the event type {0} is not known to this binary")]
    UnknownType(String),
    #[error("{event_type} has schema version {version}, and this binary knows it up to {known}")]
    UnknownVersion { event_type: &'static str, version: u32, known: u32 },
    #[error("{event_type} cannot be brought from schema version {from} to the next")]
    MissingUpcaster { event_type: &'static str, from: u32 },
    #[error("an event of type {0} does not decode")]
    Undecodable(&'static str),
}

impl Event {
    /// The event whose encoding, in this version of its schema, was stored under the name of its type.
    pub fn read(type_name: &str, version: u32, stored: &[u8]) -> Result<Self, EventFault> {
        let unknown = || EventFault::UnknownType(type_name.to_owned());
        let event_type = EventType::named(type_name).ok_or_else(unknown)?;
        let now = upcast(UPCASTERS, event_type.name, (version, event_type.schema_version), stored)?;
        let event = Self::decode(event_type.name, &now).ok_or_else(unknown)?;
        event.map_err(|_| EventFault::Undecodable(event_type.name))
    }
}

fn upcast<'a>(
    upcasters: &[Upcaster],
    event_type: &'static str,
    (version, known): (u32, u32),
    stored: &'a [u8],
) -> Result<Cow<'a, [u8]>, EventFault> {
    if version == 0 || version > known {
        return Err(EventFault::UnknownVersion { event_type, version, known });
    }
    (version..known).try_fold(Cow::Borrowed(stored), |encoded, from| {
        let upcaster = upcasters.iter().find(|upcaster| upcaster.event_type == event_type && upcaster.from == from);
        let step = upcaster.ok_or(EventFault::MissingUpcaster { event_type, from })?.step;
        Ok(Cow::Owned(step(&encoded).map_err(|_| EventFault::Undecodable(event_type))?))
    })
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    /// A price in whole units of some currency, then in cents, then with the currency named.
    #[derive(Clone, PartialEq, prost::Message)]
    struct PricedV1 {
        #[prost(uint64, tag = "1")]
        units: u64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    struct PricedV2 {
        #[prost(uint64, tag = "2")]
        cents: u64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    struct PricedV3 {
        #[prost(uint64, tag = "2")]
        cents: u64,
        #[prost(string, tag = "3")]
        currency: String,
    }

    const STEPS: &[Upcaster] = &[
        Upcaster {
            event_type: "Priced",
            from: 1,
            step: |v1| Ok(PricedV2 { cents: PricedV1::decode(v1)?.units * 100 }.encode_to_vec()),
        },
        Upcaster {
            event_type: "Priced",
            from: 2,
            step: |v2| Ok(PricedV3 { cents: PricedV2::decode(v2)?.cents, currency: "EUR".to_owned() }.encode_to_vec()),
        },
    ];

    fn priced(version: u32, stored: &[u8]) -> Result<PricedV3, EventFault> {
        let now = upcast(STEPS, "Priced", (version, 3), stored)?;
        PricedV3::decode(&*now).map_err(|_| EventFault::Undecodable("Priced"))
    }

    #[test]
    fn an_event_of_any_version_reads_as_the_newest() {
        let newest = PricedV3 { cents: 500, currency: "EUR".to_owned() };
        assert_eq!(priced(1, &PricedV1 { units: 5 }.encode_to_vec()), Ok(newest.clone()));
        assert_eq!(priced(2, &PricedV2 { cents: 500 }.encode_to_vec()), Ok(newest.clone()));
        assert_eq!(priced(3, &newest.encode_to_vec()), Ok(newest));
    }

    #[test]
    fn what_cannot_be_brought_up_to_date_is_named() {
        let from_the_future = EventFault::UnknownVersion { event_type: "Priced", version: 4, known: 3 };
        assert_eq!(priced(4, &[]), Err(from_the_future));
        assert!(matches!(priced(0, &[]), Err(EventFault::UnknownVersion { version: 0, .. })));
        let missing = upcast(&STEPS[1..], "Priced", (1, 3), &[]);
        assert_eq!(missing, Err(EventFault::MissingUpcaster { event_type: "Priced", from: 1 }));
        assert_eq!(priced(1, &[0xff]), Err(EventFault::Undecodable("Priced")));
        assert_eq!(Event::read("Priced", 1, &[]), Err(EventFault::UnknownType("Priced".to_owned())));
    }
}
