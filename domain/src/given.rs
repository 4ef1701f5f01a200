//! Specs as sentences: given what happened, when a command comes, then this follows.

use chrono::{DateTime, Utc};
use proto::{Command, Event};

use crate::{Context, Other, Rejection, State};

/// The instant every spec takes place at.
pub(crate) const NOW: DateTime<Utc> = DateTime::from_timestamp_nanos(1_795_212_000_000_000_000);

/// Of another guest, where a spec has one.
pub(crate) const OTHER_ID: &str = "prf_00000000000000000000000000000002";
pub(crate) const MERGE_ID: &str = "mrg_1";

pub(crate) struct Given {
    state: State,
    other: Option<State>,
    /// The other one is read as this one.
    part: bool,
    names_a_part: bool,
}

pub(crate) struct When(Result<Vec<Event>, Rejection>);

pub(crate) fn given(events: impl IntoIterator<Item = Event>) -> Given {
    Given { state: after(events), other: None, part: false, names_a_part: false }
}

fn after(events: impl IntoIterator<Item = Event>) -> State {
    events.into_iter().fold(State::default(), |state, event| state.evolve(&event))
}

impl Given {
    /// With another guest beside, of whom this happened.
    pub(crate) fn beside(self, events: impl IntoIterator<Item = Event>) -> Self {
        Self { other: Some(after(events)), ..self }
    }

    /// With another guest who is part of this one.
    pub(crate) fn beside_a_part(self) -> Self {
        Self { part: true, ..self }
    }

    /// Named by what a part of this one is known by.
    pub(crate) fn named_by_a_part(self) -> Self {
        Self { names_a_part: true, ..self }
    }

    #[expect(clippy::needless_pass_by_value, reason = "a spec reads as a sentence")]
    pub(crate) fn when(self, command: Command) -> When {
        let other = self.other.as_ref().map(|state| Other::Guest { id: OTHER_ID, state, merge_id: MERGE_ID });
        let other = if self.part { Some(Other::Part) } else { other };
        let context = Context { other, names_a_part: self.names_a_part, ..Context::new(NOW, NOW) };
        When(self.state.decide(&command, &context))
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
