//! An owner as its commits tell it.

use std::sync::Arc;

use domain::State;
use proto::subject::LogSubject;
use proto::{Commit, Event};
use vault::GuestKeys;

use super::commands::Commands;
use crate::error::Fault;

/// Commits after which the next one carries a snapshot.
const SNAPSHOT_EVERY: u64 = 100;

/// The fold of an owner's commits up to `head`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Loaded {
    pub(crate) state: State,
    /// Position of the last commit; 0 when there is none.
    pub(crate) head: u64,
    /// Position of the latest snapshot; 0 when there is none.
    pub(crate) snapshot_position: u64,
    pub(super) versions: Versions,
    pub(super) commands: Commands,
    /// Commits folded since that snapshot.
    since_snapshot: u64,
}

/// Count of events by facet; owners have few facets.
pub(super) type Versions = Vec<(String, u64)>;

impl Loaded {
    /// What a snapshot in the commit at `position` holds.
    pub(super) fn restored(
        state: State,
        versions: Versions,
        commands: Commands,
        commit: &Commit,
        position: u64,
    ) -> Self {
        let mut loaded = Self { state, versions, commands, ..Self::default() };
        loaded.pass(commit, position);
        loaded
    }

    /// Count of the facet's events.
    pub(crate) fn version(&self, facet: &str) -> u64 {
        self.versions.iter().find(|(known, _)| known == facet).map_or(0, |(_, version)| *version)
    }

    /// Whether the next commit is to carry a snapshot.
    pub(crate) fn snapshot_is_due(&self) -> bool {
        self.since_snapshot + 1 >= SNAPSHOT_EVERY
    }

    /// Asks for a snapshot in the next commit: this load was a long one.
    pub(super) fn want_snapshot(&mut self) {
        self.since_snapshot = self.since_snapshot.max(SNAPSHOT_EVERY);
    }

    /// Folds a stored commit, which must be the next of its owner.
    pub(super) fn fold(
        &mut self,
        subject: &LogSubject,
        position: u64,
        commit: &Commit,
        keys: Option<&Arc<GuestKeys>>,
    ) -> Result<(), Fault> {
        let dense = self.version(&commit.facet) + commit.events.len() as u64 == commit.version;
        if !dense || position <= self.head {
            return Err(Fault::Corrupt(position));
        }
        let opened = vault::open(subject, commit, keys.map(Arc::as_ref)).map_err(Fault::unreadable(subject))?;
        for opened in opened {
            self.state = std::mem::take(&mut self.state).evolve(&opened.event);
        }
        self.pass(commit, position);
        Ok(())
    }

    /// The owner after these events, which a commit of the facet is about to hold.
    pub(crate) fn evolved(&self, events: &[Event], facet: &str) -> Self {
        let mut after = self.clone();
        after.state = events.iter().fold(after.state, State::evolve);
        after.count(facet, self.version(facet) + events.len() as u64);
        after
    }

    /// The same owner now that the commit is stored.
    pub(crate) fn stored(mut self, commit: &Commit, position: u64) -> Self {
        let was_due = self.snapshot_is_due();
        self.pass(commit, position);
        if was_due {
            // With it, or without: it was too large for a commit, and would be again in the next.
            self.since_snapshot = 0;
        }
        self
    }

    fn pass(&mut self, commit: &Commit, position: u64) {
        self.head = position;
        self.count(&commit.facet, commit.version);
        self.commands.remember(&commit.command_id, position);
        self.since_snapshot += 1;
        if commit.snapshot.is_some() {
            (self.snapshot_position, self.since_snapshot) = (position, 0);
        }
    }

    fn count(&mut self, facet: &str, version: u64) {
        match self.versions.iter_mut().find(|(known, _)| known == facet) {
            Some((_, known)) => *known = version,
            None => self.versions.push((facet.to_owned(), version)),
        }
    }

    /// Roughly what this takes in memory.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.state.bytes() + self.commands.bytes()
    }
}

#[cfg(test)]
mod tests {
    use proto::Snapshot;

    use super::*;

    fn commit(version: u64, snapshot: Option<Snapshot>) -> Commit {
        Commit { command_id: format!("c-{version}"), facet: "guest".to_owned(), version, snapshot, ..Commit::default() }
    }

    #[test]
    fn a_snapshot_stays_due_until_one_is_there_or_was_tried() {
        let mut loaded = Loaded::default();
        loaded.want_snapshot();
        loaded.pass(&commit(1, None), 1);
        assert!(loaded.snapshot_is_due(), "another instance's commit knows nothing of the wish");
        assert!(!loaded.clone().stored(&commit(2, None), 2).snapshot_is_due(), "it was too large");
        let stored = loaded.stored(&commit(2, Some(Snapshot::default())), 2);
        assert!(!stored.snapshot_is_due());
        assert_eq!(stored.snapshot_position, 2);
    }
}
