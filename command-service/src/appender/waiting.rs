//! What waits to be published: units in the order they came, and those a refused batch left to be tried by themselves.

use std::collections::{HashSet, VecDeque};

use proto::subject::LogSubject;
use tokio::sync::oneshot;
use tracing::Span;

use super::answer::{AppendFault, Appended};
use super::entry::Entry;

/// The server's limit for one atomic batch.
pub(super) const MAX_BATCH: usize = 1_000;
/// What one batch may bring the server at once.
const MAX_BATCH_BYTES: usize = 8 * 1024 * 1024;

/// Commits that stand or fall together, nearly always one.
pub(super) struct Unit {
    pub(super) commits: Vec<Entry>,
    answer: oneshot::Sender<Result<Appended, AppendFault>>,
    /// Of its append.
    pub(super) span: Span,
}

impl Unit {
    pub(super) fn new(
        commits: Vec<Entry>,
        answer: oneshot::Sender<Result<Appended, AppendFault>>,
        span: Span,
    ) -> Result<Self, AppendFault> {
        if (1..=MAX_BATCH).contains(&commits.len()) {
            return Ok(Self { commits, answer, span });
        }
        Err(AppendFault::Refused(format!("{} commits do not fit into one batch", commits.len())))
    }

    pub(super) fn bytes(&self) -> usize {
        self.commits.iter().map(|commit| commit.payload.len()).sum()
    }

    pub(super) fn answer(self, outcome: Result<Appended, AppendFault>) {
        // A caller that has gone away reads its outcome back when it sends the command again.
        let _gone = self.answer.send(outcome);
    }
}

#[derive(Default)]
pub(super) struct Waiting {
    units: VecDeque<Unit>,
    alone: VecDeque<Unit>,
    commits: usize,
}

impl Waiting {
    pub(super) fn push(&mut self, unit: Unit) {
        self.commits += unit.commits.len();
        self.units.push_back(unit);
    }

    /// Puts a unit in front of all others: it is published by itself.
    pub(super) fn push_alone(&mut self, unit: Unit) {
        self.alone.push_front(unit);
    }

    pub(super) fn pop_alone(&mut self) -> Option<Unit> {
        self.alone.pop_front()
    }

    pub(super) fn pop(&mut self) -> Option<Unit> {
        let unit = self.units.pop_front()?;
        self.commits -= unit.commits.len();
        Some(unit)
    }

    /// The next batch: units in order, each owner once. What does not fit stays for the batch after it, in order too.
    pub(super) fn take_batch(&mut self) -> Vec<Unit> {
        let mut owners: HashSet<LogSubject> = HashSet::with_capacity(self.commits.min(MAX_BATCH));
        let (mut batch, mut left) = (Vec::with_capacity(self.units.len().min(MAX_BATCH)), VecDeque::new());
        let (mut commits, mut bytes) = (0, 0);
        while let Some(unit) = self.units.pop_front() {
            let full = commits + unit.commits.len() > MAX_BATCH || bytes + unit.bytes() > MAX_BATCH_BYTES;
            if full && commits > 0 {
                left.push_back(unit);
                break;
            }
            if unit.commits.iter().any(|commit| owners.contains(&commit.owner)) {
                left.push_back(unit);
                continue;
            }
            owners.extend(unit.commits.iter().map(|commit| commit.owner.clone()));
            commits += unit.commits.len();
            bytes += unit.bytes();
            batch.push(unit);
        }
        left.append(&mut self.units);
        self.units = left;
        self.commits -= commits;
        batch
    }

    /// Commits in line, not counting those to be published by themselves.
    pub(super) fn commits(&self) -> usize {
        self.commits
    }

    pub(super) fn is_empty(&self) -> bool {
        self.units.is_empty() && self.alone.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proto::subject::{LogSubject, Owner};

    use super::*;

    fn unit(owners: &[u128], bytes: usize) -> Unit {
        let entry = |owner: &u128| {
            let subject = LogSubject::new("demo".parse().expect("a token"), Owner::guest(*owner));
            Entry::new(&subject, 0, "c".to_owned(), String::new(), Bytes::from(vec![0; bytes]))
        };
        Unit::new(owners.iter().map(entry).collect(), oneshot::channel().0, Span::none()).expect("fits")
    }

    fn sizes(units: &[Unit]) -> Vec<usize> {
        units.iter().map(|unit| unit.commits.len()).collect()
    }

    #[test]
    fn an_owner_is_in_a_batch_once_and_its_next_commit_in_the_next() {
        let mut waiting = Waiting::default();
        for owners in [&[1][..], &[2], &[1], &[3, 2], &[4]] {
            waiting.push(unit(owners, 1));
        }
        assert_eq!(sizes(&waiting.take_batch()), [1, 1, 1], "1, 2 and 4");
        assert_eq!(waiting.commits(), 3);
        assert_eq!(sizes(&waiting.take_batch()), [1, 2], "1, then 3 with 2");
        assert!(waiting.is_empty() && waiting.commits() == 0);
    }

    #[test]
    fn a_batch_is_bounded_and_splits_no_unit() {
        let mut waiting = Waiting::default();
        (0..999).for_each(|owner| waiting.push(unit(&[owner], 1)));
        waiting.push(unit(&[2_000, 2_001], 1));
        waiting.push(unit(&[3_000], 1));
        assert_eq!(waiting.take_batch().len(), 999, "the pair would not fit, and nobody overtakes it");
        assert_eq!(sizes(&waiting.take_batch()), [2, 1]);
        let mut waiting = Waiting::default();
        (0..3).for_each(|owner| waiting.push(unit(&[owner], MAX_BATCH_BYTES / 2)));
        assert_eq!(waiting.take_batch().len(), 2);
    }

    #[test]
    fn what_no_batch_could_hold_is_refused_at_once() {
        assert!(Unit::new(Vec::new(), oneshot::channel().0, Span::none()).is_err());
    }
}
