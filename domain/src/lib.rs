//! The rules: what each command decides. No IO, no clock, no ids: time is an argument, ids are given by the caller.
//!
//! A command of a facet is one match arm in its `decide`, an event one in its `evolve`; both matches are exhaustive, so the
//! compiler names what is missing.

pub mod guest;
pub mod interactions;
pub mod rejection;
mod state;
pub mod tenant;
pub mod values;

#[cfg(test)]
mod given;

use chrono::{DateTime, Utc};
pub use rejection::{Kind as RejectionKind, Rejection};
pub use state::State;

/// What a decision needs to know besides the state.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// When the decision is taken.
    pub now: DateTime<Utc>,
    /// When the command came, which may have waited since.
    pub received_at: DateTime<Utc>,
    /// Whom the command is about besides.
    pub other: Option<Other<'a>>,
    /// The command names a guest who is part of the one that is decided about.
    pub names_a_part: bool,
}

impl Context<'_> {
    /// Of a command that is about one owner.
    pub fn new(now: DateTime<Utc>, received_at: DateTime<Utc>) -> Self {
        Self { now, received_at, other: None, names_a_part: false }
    }
}

/// Another guest than the one that is decided about.
#[derive(Clone, Copy, Debug)]
pub enum Other<'a> {
    /// One who is read as that one already.
    Part,
    /// One in whose own subject the decision is told, too.
    Guest {
        /// Our id of the guest.
        id: &'a str,
        state: &'a State,
        /// What a merge of the two is to go by.
        merge_id: &'a str,
    },
}
