//! The limit of the log: guarded publishes straight into the stream, with nobody in between.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, bail};
use async_nats::{HeaderMap, Message, Subject};
use bytes::Bytes;
use proto::header;
use proto::subject::{LOG_STREAM, LogSubject, Owner, Tenant};
use serde::Deserialize;

use super::{Contestant, Request, Verdict};

/// Publishes of one payload on many subjects, each guarded by the position of the one before.
pub(crate) struct Raw {
    subjects: Vec<Subject>,
    positions: Vec<AtomicU64>,
    payload: Bytes,
}

impl Raw {
    pub(crate) fn new(owners: usize, payload: Bytes) -> anyhow::Result<Self> {
        let subjects: Vec<Subject> =
            log_subjects("raw", owners)?.iter().map(|subject| Subject::from(subject.to_string())).collect();
        let positions = subjects.iter().map(|_| AtomicU64::new(0)).collect();
        Ok(Self { subjects, positions, payload })
    }

    pub(super) fn owners(&self) -> usize {
        self.subjects.len()
    }

    pub(super) fn stored(&self, owner: usize, position: u64) {
        self.positions[owner].store(position, Ordering::Relaxed);
    }
}

impl Contestant for Raw {
    fn request(&self, owner: usize) -> Request {
        let mut headers = HeaderMap::new();
        let expected = self.positions[owner].load(Ordering::Relaxed);
        headers.insert(header::EXPECTED_LAST_SUBJECT_SEQUENCE, expected.to_string());
        headers.insert(header::EXPECTED_STREAM, LOG_STREAM);
        Request { subject: self.subjects[owner].clone(), headers, body: self.payload.clone() }
    }

    fn judge(&self, owner: usize, answer: &Message) -> anyhow::Result<Verdict> {
        let position = position(answer, LOG_STREAM)?;
        self.stored(owner, position);
        Ok(Verdict::Accepted(position))
    }
}

/// One literal subject per owner, none of which anybody loads.
pub(crate) fn log_subjects(tenant: &str, owners: usize) -> anyhow::Result<Vec<LogSubject>> {
    let tenant: Tenant = tenant.parse()?;
    let subject = |number: usize| {
        let owner = Owner::guest(u128::try_from(number)?);
        Ok(LogSubject::new(tenant.clone(), owner))
    };
    (0..owners).map(subject).collect()
}

/// Where a stream stored a message.
pub(super) fn position(answer: &Message, stream: &str) -> anyhow::Result<u64> {
    if let Some(status) = answer.status {
        bail!("the stream took nothing: {status}");
    }
    let text = || format!("the stream refused: {}", String::from_utf8_lossy(&answer.payload));
    let ack: PubAck = serde_json::from_slice(&answer.payload).with_context(text)?;
    if ack.stream != stream || ack.seq == 0 || ack.error.is_some() {
        bail!(text());
    }
    Ok(ack.seq)
}

#[derive(Deserialize)]
struct PubAck<'a> {
    #[serde(default)]
    stream: &'a str,
    #[serde(default)]
    seq: u64,
    error: Option<serde::de::IgnoredAny>,
}
