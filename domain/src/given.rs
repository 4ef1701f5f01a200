//! Specs as sentences: given what happened, when a command comes, then this follows.

use chrono::{DateTime, Utc};
use proto::{Command, Event};

use crate::{Context, Rejection, State};

/// The instant every spec takes place at.
pub(crate) const NOW: DateTime<Utc> = DateTime::from_timestamp_nanos(1_795_212_000_000_000_000);

pub(crate) struct Given(State);

pub(crate) struct When(Result<Vec<Event>, Rejection>);

pub(crate) fn given(events: impl IntoIterator<Item = Event>) -> Given {
    Given(events.into_iter().fold(State::default(), |state, event| state.evolve(&event)))
}

impl Given {
    #[expect(clippy::needless_pass_by_value, reason = "a spec reads as a sentence")]
    pub(crate) fn when(self, command: Command) -> When {
        When(self.0.decide(&command, &Context { now: NOW, received_at: NOW }))
    }
}

impl When {
    #[track_caller]
    pub(crate) fn then(self, expected: impl IntoIterator<Item = Event>) {
        assert_eq!(self.0, Ok(expected.into_iter().collect()));
    }

    #[track_caller]
    pub(crate) fn refused(self, code: &str) {
        assert_eq!(self.0.map_err(|rejection| rejection.code()), Err(code));
    }
}
