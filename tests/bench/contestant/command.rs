//! Ours: commands to the service, as any caller would send them.

use std::ops::Range;

use async_nats::{Message, Subject};
use bytes::Bytes;

use super::{Contestant, Ids, Request, Verdict, judge};

pub(crate) const TENANT: &str = "bench";

/// One command for each of a number of guests.
pub(crate) struct Commands {
    subject: Subject,
    bodies: Vec<Bytes>,
    ids: Ids,
}

impl Commands {
    /// Registers the guests of these numbers.
    pub(crate) fn register(guests: Range<usize>) -> Self {
        let body = |guest| format!(r#"{{"identifier":"{}","attributes":{{"plan":"gold"}}}}"#, identifier(guest));
        Self::new("guest.register", guests.map(body))
    }

    /// Records an interaction of about 300 bytes for each of them.
    pub(crate) fn record(guests: Range<usize>) -> Self {
        Self::new("interactions.record", guests.map(interaction))
    }

    fn new(command: &str, bodies: impl Iterator<Item = String>) -> Self {
        let subject = Subject::from(format!("cmd.{TENANT}.{command}"));
        Self { subject, bodies: bodies.map(Bytes::from).collect(), ids: Ids::new() }
    }
}

impl Contestant for Commands {
    fn request(&self, owner: usize) -> Request {
        let (subject, headers) = (self.subject.clone(), self.ids.headers());
        Request { subject, headers, body: self.bodies[owner].clone() }
    }

    fn judge(&self, _owner: usize, answer: &Message) -> anyhow::Result<Verdict> {
        judge(answer)
    }
}

pub(crate) fn identifier(guest: usize) -> String {
    format!("guest-{guest:05}")
}

/// What a shop tells of a purchase.
pub(crate) fn interaction(guest: usize) -> String {
    format!(
        r#"{{"guest_id":"{}","kind":"order.created","topic":"Jazz","occurred_at":"2026-03-01T10:00:00+01:00","#,
        identifier(guest)
    ) + r#""properties":{"order_id":"A-2026-0001742","dollar_value":29.90,"currency":"USD","quantity":2,"#
        + r#""product":"Kind of Blue (180 g vinyl)","channel":"web","session":"9f3c1a77","campaign":"spring-newsletter"}}"#
}
