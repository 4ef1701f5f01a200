//! One commit on its way to the log.

use async_nats::{HeaderMap, HeaderName, Subject};
use bytes::Bytes;
use proto::subject::{LOG_STREAM, LogSubject};
use proto::{TraceParent, header};

use crate::outgoing::Outgoing;

const COMMAND_ID: HeaderName = HeaderName::from_static(header::COMMAND_ID);
const EVENTS: HeaderName = HeaderName::from_static(header::EVENTS);
const TRACEPARENT: HeaderName = HeaderName::from_static(header::TRACEPARENT);

/// A commit, guarded by its owner's last position.
#[derive(Debug)]
pub struct Entry {
    pub(super) owner: LogSubject,
    subject: Subject,
    expected: u64,
    command_id: String,
    events: String,
    pub(super) payload: Bytes,
    /// What whoever reads it goes on with.
    pub(super) trace: Option<TraceParent>,
}

impl Entry {
    /// `expected` is the owner's last position, 0 for an owner without commits; `events` the event types, comma-separated.
    pub fn new(subject: &LogSubject, expected: u64, command_id: String, events: String, payload: Bytes) -> Self {
        let (owner, subject) = (subject.clone(), Subject::from(subject.to_string()));
        Self { owner, subject, expected, command_id, events, payload, trace: None }
    }

    pub(super) fn message(&self) -> Outgoing {
        let mut headers = HeaderMap::new();
        headers.insert(header::EXPECTED_LAST_SUBJECT_SEQUENCE, self.expected.to_string());
        headers.insert(header::EXPECTED_STREAM, LOG_STREAM);
        headers.insert(COMMAND_ID, self.command_id.as_str());
        headers.insert(EVENTS, self.events.as_str());
        if let Some(trace) = self.trace {
            headers.insert(TRACEPARENT, trace.to_string());
        }
        Outgoing { subject: self.subject.clone(), headers, payload: self.payload.clone() }
    }
}
