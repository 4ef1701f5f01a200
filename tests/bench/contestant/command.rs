//! Ours: commands to the service, as any caller would send them.

use std::ops::Range;

use async_nats::{Message, Subject};
use bytes::Bytes;

use super::{Contestant, Ids, Request, Verdict, judge};
use crate::deed::Deed;

pub(crate) const TENANT: &str = "bench";
/// What every interaction here is.
pub(crate) const KIND: &str = "order.created";
pub(crate) const PROPERTIES: &str = concat!(
    r#"{"order_id":"A-2026-0001742","dollar_value":29.90,"currency":"USD","quantity":2,"#,
    r#""product":"Kind of Blue (180 g vinyl)","channel":"web","session":"9f3c1a77","campaign":"spring-newsletter"}"#
);

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

    /// Records what these deeds were.
    pub(crate) fn record_deeds(deeds: impl Iterator<Item = Deed>) -> Self {
        Self::new("interactions.record", deeds.map(|deed| purchase(deed.guest, &deed.topic, &deed.occurred_at)))
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

/// The same purchase of any guest.
pub(crate) fn interaction(guest: usize) -> String {
    purchase(guest, "Jazz", "2026-03-01T10:00:00+01:00")
}

/// What a shop tells of a purchase.
fn purchase(guest: usize, topic: &str, occurred_at: &str) -> String {
    let guest = identifier(guest);
    format!(
        r#"{{"guest_id":"{guest}","kind":"{KIND}","topic":"{topic}","occurred_at":"{occurred_at}","properties":{PROPERTIES}}}"#
    )
}
