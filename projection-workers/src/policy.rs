//! What a policy is: it sees events and answers with commands, at once or at a time.

mod runner;

use chrono::{DateTime, Utc};
use proto::Event;
use proto::subject::LogSubject;

use crate::due::DueCommand;

pub(crate) use runner::Runner;

/// One event of the log, opened.
#[derive(Clone, Copy, Debug)]
pub struct Happened<'a> {
    pub subject: &'a LogSubject,
    pub event_id: &'a str,
    pub event: &'a Event,
    pub recorded_at: DateTime<Utc>,
}

/// What a policy wants to be done. `step` tells apart what one event leads to: with the event's id and the policy's name it makes the
/// command's id, so whatever is done twice is carried out once.
#[derive(Clone, Debug, PartialEq)]
pub enum Reaction {
    /// Carried out as soon as possible. On whom is said in the body, by our own id.
    Command { step: String, command: DueCommand },
    /// Carried out at a time, unless it is cancelled before.
    Timer { timer: String, due_at: DateTime<Utc>, command: DueCommand },
    /// The timer of this name of the same owner is no longer wanted.
    CancelTimer { timer: String },
}

/// A rule that turns events into commands. It is given every event of its facets in the log's order, from when it first ran on; no
/// rebuild ever gives it one again.
pub trait Policy: Send + Sync + 'static {
    /// Names its position for ever: `implicit_preferences`.
    fn name(&self) -> &'static str;

    /// Of whose commits it sees the events: `interactions`.
    fn facets(&self) -> &'static [&'static str];

    /// Nothing but the event decides: it may be asked again.
    fn react(&self, happened: Happened<'_>) -> Vec<Reaction>;
}
