//! The trace that a message is of.

use async_nats::{HeaderName, Message};
use proto::{TraceParent, header};

const TRACEPARENT: HeaderName = HeaderName::from_static(header::TRACEPARENT);

/// Which trace its sender would have continued; whoever names two names none.
pub fn trace_of(message: &Message) -> Option<TraceParent> {
    let mut named = message.headers.as_ref()?.get_all(TRACEPARENT);
    named.next()?.as_str().parse().ok().filter(|_| named.next().is_none())
}
