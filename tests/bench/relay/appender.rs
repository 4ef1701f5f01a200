//! Stands in for the service's appender until that one can be used from outside: one guarded publish per commit.

use async_nats::{Client, HeaderMap};
use bytes::Bytes;
use proto::header;
use proto::subject::{LOG_STREAM, LogSubject};
use serde::Deserialize;

#[derive(Clone)]
pub(crate) struct Appender(Client);

pub(crate) struct Entry {
    subject: String,
    headers: HeaderMap,
    payload: Bytes,
}

impl Entry {
    pub(crate) fn new(subject: &LogSubject, expected: u64, command_id: String, events: String, payload: Bytes) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::EXPECTED_LAST_SUBJECT_SEQUENCE, expected.to_string());
        headers.insert(header::EXPECTED_STREAM, LOG_STREAM);
        headers.insert(header::COMMAND_ID, command_id);
        headers.insert(header::EVENTS, events);
        Self { subject: subject.to_string(), headers, payload }
    }
}

pub(crate) enum Appended {
    At(u64),
    Conflict(Option<u64>),
    Unclear,
}

#[derive(Deserialize)]
struct PubAck {
    #[serde(default)]
    seq: u64,
}

impl Appender {
    pub(crate) fn new(client: Client) -> (Self, impl Future<Output = ()> + Send + 'static) {
        (Self(client), std::future::pending())
    }

    pub(crate) async fn append(&self, commit: Entry) -> anyhow::Result<Appended> {
        let Entry { subject, headers, payload } = commit;
        let Ok(answer) = self.0.request_with_headers(subject, headers, payload).await else {
            return Ok(Appended::Unclear);
        };
        match serde_json::from_slice(&answer.payload)? {
            PubAck { seq: 0 } => Ok(Appended::Conflict(None)),
            PubAck { seq } => Ok(Appended::At(seq)),
        }
    }
}
