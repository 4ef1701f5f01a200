//! Sealing an event field by field under its data classes, and opening it again.

use proto::subject::LogSubject;
use proto::{Commit, DataClass, Event, EventFault, EventType, SealedPart, StoredEvent};

use crate::aead::{self, SealFault};
use crate::guest_keys::GuestKeys;
use crate::wire;

/// An event as it was before it was sealed.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenedEvent {
    pub id: String,
    pub event: Event,
}

/// Why an event cannot be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error("the owner has no key for {0:?}")]
    MissingKey(DataClass),
    #[error("field {field} of {event_type} has no data class")]
    Unclassed { event_type: &'static str, field: u32 },
    #[error(transparent)]
    Fault(#[from] SealFault),
    #[error("an event did not encode to a message")]
    Encoding,
}

/// Why a commit cannot be opened. None of these ever means that the guest was erased.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the key {class:?}/{epoch} of the owner is missing")]
    MissingKey { class: DataClass, epoch: i32 },
    #[error(transparent)]
    Event(#[from] EventFault),
    #[error(transparent)]
    Forged(#[from] aead::Forged),
}

/// Where a sealed part stands: it opens nowhere else.
struct Place<'a> {
    subject: &'a LogSubject,
    facet: &'a str,
    event_id: &'a str,
    event_type: &'a str,
    schema_version: u32,
}

impl Place<'_> {
    fn associated_data(&self, class: DataClass, epoch: i32) -> Vec<u8> {
        aead::place(&[
            self.subject.tenant.as_str().as_bytes(),
            self.subject.owner.as_str().as_bytes(),
            self.facet.as_bytes(),
            self.event_id.as_bytes(),
            self.event_type.as_bytes(),
            &self.schema_version.to_be_bytes(),
            &(class as i32).to_be_bytes(),
            &epoch.to_be_bytes(),
        ])
    }

    fn seal(&self, class: DataClass, keys: Option<&GuestKeys>, text: &[u8]) -> Result<SealedPart, SealError> {
        let key = keys.and_then(|keys| keys.newest(class)).ok_or(SealError::MissingKey(class))?;
        let (nonce, ciphertext) = aead::seal(&key.key, &self.associated_data(class, key.epoch), text)?;
        Ok(SealedPart { class: class.into(), epoch: key.epoch, nonce: nonce.to_vec(), ciphertext })
    }

    fn open(&self, part: &SealedPart, keys: Option<&GuestKeys>) -> Result<zeroize::Zeroizing<Vec<u8>>, OpenError> {
        let (class, epoch) = (part.class(), part.epoch);
        let missing = OpenError::MissingKey { class, epoch };
        let key = keys.and_then(|keys| keys.find(class, epoch)).ok_or(missing)?;
        Ok(aead::open(&key.key, &self.associated_data(class, epoch), &part.nonce, &part.ciphertext)?)
    }
}

/// The event as it is stored: open fields in clear, all others under the owner's key of their class.
pub fn seal(
    subject: &LogSubject,
    id: String,
    event: &Event,
    keys: Option<&GuestKeys>,
) -> Result<StoredEvent, SealError> {
    let EventType { facet, name, schema_version, .. } = *event.event_type();
    let place = Place { subject, facet, event_id: &id, event_type: name, schema_version };
    let mut parts: Vec<(DataClass, Vec<u8>)> = Vec::new();
    for (field, bytes) in wire::fields(&event.encode()).map_err(|_| SealError::Encoding)? {
        let class = event.event_type().class_of(field).ok_or(SealError::Unclassed { event_type: name, field })?;
        match parts.iter_mut().find(|(known, _)| *known == class) {
            Some((_, part)) => part.extend_from_slice(bytes),
            None => parts.push((class, bytes.to_vec())),
        }
    }
    let (mut open, mut sealed) = (Vec::new(), Vec::new());
    for (class, text) in parts {
        if class == DataClass::Open {
            open = text;
        } else {
            sealed.push(place.seal(class, keys, &text)?);
        }
    }
    Ok(StoredEvent { id, r#type: name.to_owned(), schema_version, open, sealed })
}

/// The events of a commit. An owner without personal data (a tenant) needs no keys.
pub fn open(subject: &LogSubject, commit: &Commit, keys: Option<&GuestKeys>) -> Result<Vec<OpenedEvent>, OpenError> {
    commit.events.iter().map(|stored| open_event(subject, stored, keys)).collect()
}

fn open_event(subject: &LogSubject, stored: &StoredEvent, keys: Option<&GuestKeys>) -> Result<OpenedEvent, OpenError> {
    let unknown = || EventFault::UnknownType(stored.r#type.clone());
    let event_type = EventType::named(&stored.r#type).ok_or_else(unknown)?;
    let place = Place {
        subject,
        facet: event_type.facet,
        event_id: &stored.id,
        event_type: event_type.name,
        schema_version: stored.schema_version,
    };
    let mut encoded = zeroize::Zeroizing::new(stored.open.clone());
    for part in &stored.sealed {
        encoded.extend_from_slice(&place.open(part, keys)?);
    }
    let event = Event::read(event_type.name, stored.schema_version, &encoded)?;
    Ok(OpenedEvent { id: stored.id.clone(), event })
}

const IDENTIFIER: &str = "Identifier";

/// Seals the identifier a caller addressed the guest by, for the commit it led to.
pub fn seal_part(
    subject: &LogSubject,
    facet: &str,
    command_id: &str,
    keys: Option<&GuestKeys>,
    text: &[u8],
) -> Result<SealedPart, SealError> {
    let place = Place { subject, facet, event_id: command_id, event_type: IDENTIFIER, schema_version: 1 };
    place.seal(DataClass::Contact, keys, text)
}

/// Opens what [`seal_part`] sealed.
pub fn open_part(
    subject: &LogSubject,
    commit: &Commit,
    keys: Option<&GuestKeys>,
) -> Result<Option<Vec<u8>>, OpenError> {
    let Some(part) = &commit.addressed_as else { return Ok(None) };
    let place = Place {
        subject,
        facet: &commit.facet,
        event_id: &commit.command_id,
        event_type: IDENTIFIER,
        schema_version: 1,
    };
    place.open(part, keys).map(|text| Some(text.to_vec()))
}

#[cfg(test)]
mod tests {
    use proto::interactions::{InteractionRecorded, event::Kind};
    use proto::subject::Owner;

    use super::*;

    fn subject(owner: u128) -> LogSubject {
        LogSubject::new("demo".parse().expect("a token"), Owner::guest(owner))
    }

    fn event() -> Event {
        Event::Interactions(Kind::InteractionRecorded(InteractionRecorded {
            kind: "order.created".to_owned(),
            topic: "canary-topic".to_owned(),
            occurred_at: Some(prost_types_timestamp(5)),
            occurred_at_offset_minutes: -60,
            properties: r#"{"note":"canary-note"}"#.to_owned(),
            context: r#"{"page":"canary-page"}"#.to_owned(),
            told_at: Some(prost_types_timestamp(6)),
        }))
    }

    fn prost_types_timestamp(seconds: i64) -> prost_types::Timestamp {
        prost_types::Timestamp { seconds, nanos: 0 }
    }

    fn commit(stored: StoredEvent) -> Commit {
        Commit { events: vec![stored], ..Commit::default() }
    }

    #[test]
    fn what_was_sealed_opens_to_the_same_event() {
        let keys = GuestKeys::generate().expect("keys");
        let stored = seal(&subject(1), "evt_1".to_owned(), &event(), Some(&keys)).expect("seals");
        let opened = open(&subject(1), &commit(stored), Some(&keys)).expect("opens");
        assert_eq!(opened, [OpenedEvent { id: "evt_1".to_owned(), event: event() }]);
    }

    #[test]
    fn nothing_but_open_fields_is_readable_in_a_stored_event() {
        use prost::Message as _;
        let keys = GuestKeys::generate().expect("keys");
        let stored = seal(&subject(1), "evt_1".to_owned(), &event(), Some(&keys)).expect("seals");
        let bytes = stored.encode_to_vec();
        for canary in ["canary", "order.created"] {
            assert!(!bytes.windows(canary.len()).any(|window| window == canary.as_bytes()), "{canary} is readable");
        }
    }

    #[test]
    fn a_part_moved_to_another_guest_or_event_does_not_open() {
        let keys = GuestKeys::generate().expect("keys");
        let stored = seal(&subject(1), "evt_1".to_owned(), &event(), Some(&keys)).expect("seals");
        assert!(matches!(open(&subject(2), &commit(stored.clone()), Some(&keys)), Err(OpenError::Forged(_))));
        let renamed = StoredEvent { id: "evt_2".to_owned(), ..stored };
        assert!(matches!(open(&subject(1), &commit(renamed), Some(&keys)), Err(OpenError::Forged(_))));
    }

    #[test]
    fn a_missing_key_is_never_taken_for_anything_else() {
        let keys = GuestKeys::generate().expect("keys");
        let stored = seal(&subject(1), "evt_1".to_owned(), &event(), Some(&keys)).expect("seals");
        assert!(matches!(open(&subject(1), &commit(stored), None), Err(OpenError::MissingKey { .. })));
        assert!(matches!(seal(&subject(1), "e".to_owned(), &event(), None), Err(SealError::MissingKey(_))));
    }

    #[test]
    fn an_unknown_event_type_is_named() {
        let stored = StoredEvent { r#type: "FutureEvent".to_owned(), ..StoredEvent::default() };
        assert!(
            matches!(open(&subject(1), &commit(stored), None), Err(OpenError::Event(EventFault::UnknownType(name))) if name == "FutureEvent")
        );
    }
}
