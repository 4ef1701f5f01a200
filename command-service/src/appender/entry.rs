//! One commit on its way to the log.

use async_nats::{HeaderMap, Subject};
use bytes::Bytes;
use proto::header;
use proto::subject::{LOG_STREAM, LogSubject};

/// A commit, guarded by its owner's last position.
#[derive(Debug)]
pub struct Entry {
    pub(super) subject: Subject,
    expected: u64,
    command_id: String,
    events: String,
    pub(super) payload: Bytes,
}

impl Entry {
    /// `expected` is the owner's last position, 0 for an owner without commits; `events` the event types, comma-separated.
    pub fn new(subject: &LogSubject, expected: u64, command_id: String, events: String, payload: Bytes) -> Self {
        Self { subject: Subject::from(subject.to_string()), expected, command_id, events, payload }
    }

    pub(super) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::EXPECTED_LAST_SUBJECT_SEQUENCE, self.expected.to_string());
        headers.insert(header::EXPECTED_STREAM, LOG_STREAM);
        headers.insert(header::COMMAND_ID, self.command_id.as_str());
        headers.insert(header::EVENTS, self.events.as_str());
        headers
    }
}
