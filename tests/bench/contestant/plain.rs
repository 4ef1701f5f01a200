//! The limit of what is seen soon: guarded publishes of plain interactions, for the raw loop to apply.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use async_nats::{HeaderMap, Message, Subject};
use proto::header;

use super::raw::position;
use super::{Contestant, Request, Verdict};
use crate::deed::Deed;
use crate::plain::{STREAM, payload, subject};

/// Interactions of a number of guests, each guarded by the position of the guest's last.
pub(crate) struct PlainPublishes {
    subjects: Vec<Subject>,
    positions: Vec<AtomicU64>,
    published: AtomicUsize,
}

impl PlainPublishes {
    pub(crate) fn new(guests: usize) -> Self {
        let positions = (0..guests).map(|_| AtomicU64::new(0)).collect();
        Self { subjects: (0..guests).map(subject).collect(), positions, published: AtomicUsize::new(0) }
    }
}

impl Contestant for PlainPublishes {
    fn request(&self, owner: usize) -> Request {
        let mut headers = HeaderMap::new();
        let expected = self.positions[owner].load(Ordering::Relaxed);
        headers.insert(header::EXPECTED_LAST_SUBJECT_SEQUENCE, expected.to_string());
        headers.insert(header::EXPECTED_STREAM, STREAM);
        let number = self.published.fetch_add(1, Ordering::Relaxed);
        Request { subject: self.subjects[owner].clone(), headers, body: payload(number, &Deed::by(owner, number)) }
    }

    fn judge(&self, owner: usize, answer: &Message) -> anyhow::Result<Verdict> {
        let position = position(answer, STREAM)?;
        self.positions[owner].store(position, Ordering::Relaxed);
        Ok(Verdict::Accepted(position))
    }
}
