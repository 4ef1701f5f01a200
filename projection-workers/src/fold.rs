//! Folding: commits of one lane into one batch per projection, with the proof of each.

use chrono::{DateTime, Utc};

use crate::checkpoint::Checkpoint;
use crate::error::{Fault, Unfoldable};
use crate::lane::Lane;
use crate::open::{Opened, Sealed};
use crate::projection::Batch;
use crate::projections;
use crate::proof::Proof;

/// Folds from where each checkpoint was when the lane was taken up.
pub(crate) struct Folder {
    lane: Lane,
    proves: bool,
    /// By projection, then by partition. A read model that is ahead, since another was made anew, passes over what it has.
    starts: Vec<i64>,
}

/// What was folded and is not written yet.
pub(crate) struct Folded {
    pub(crate) batches: Vec<Box<dyn Batch>>,
    /// As `starts`: the last position of each checkpoint and what was added to its proof.
    marks: Vec<Checkpoint>,
    pub(crate) commits: usize,
    /// Positions of the first and the last of them.
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// Where the lane is with it.
    pub(crate) position: i64,
    /// When the first and the last of its commits were recorded.
    pub(crate) recorded: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

impl Folder {
    /// `proves` is false only where the price of the proof is measured.
    pub(crate) fn new(lane: Lane, checkpoints: &[Checkpoint], proves: bool) -> Self {
        Self { lane, proves, starts: checkpoints.iter().map(|checkpoint| checkpoint.position).collect() }
    }

    /// Nothing, at a position.
    pub(crate) fn empty(&self, position: i64) -> Folded {
        Folded {
            batches: projections::ALL.iter().map(|kind| (kind.empty)()).collect(),
            marks: vec![Checkpoint::default(); self.starts.len()],
            commits: 0,
            first: position,
            last: position,
            position,
            recorded: None,
        }
    }

    /// Adds one commit. After an error `folded` may hold a part of it, and must not be written.
    pub(crate) fn fold(&self, folded: &mut Folded, sealed: Sealed) -> Result<(), Fault> {
        let mark = if self.proves { sealed.mark() } else { 0 };
        let commit = sealed.open()?;
        let index = self.lane.index_of(commit.pp).ok_or_else(|| unfoldable(&commit, Unfoldable::Field("pp")))?;
        for (number, (kind, batch)) in projections::ALL.iter().zip(&mut folded.batches).enumerate() {
            let index = number * self.lane.width() + index;
            if commit.position <= self.starts[index] {
                continue;
            }
            if kind.facets.contain(&commit.facet) {
                batch.fold(&commit).map_err(|reason| unfoldable(&commit, reason))?;
            }
            folded.marks[index].position = commit.position;
            folded.marks[index].proof.add(mark);
        }
        if folded.commits == 0 {
            folded.first = commit.position;
        }
        folded.last = commit.position;
        folded.commits += 1;
        folded.position = commit.position;
        let first = folded.recorded.map_or(commit.recorded_at, |(first, _)| first);
        folded.recorded = Some((first, commit.recorded_at));
        Ok(())
    }
}

impl Folded {
    /// How many commits each checkpoint gets, by its index.
    pub(crate) fn applied(&self) -> Vec<(usize, i64)> {
        let applied = self.marks.iter().map(|mark| mark.proof.commits).enumerate();
        applied.filter(|(_, commits)| *commits > 0).collect()
    }

    /// The checkpoints it moves, by their index, as they are with it; `before` as they are without.
    pub(crate) fn moved(&self, before: &[Checkpoint]) -> Vec<(usize, Checkpoint)> {
        let moved = self.marks.iter().enumerate().filter(|(_, mark)| mark.proof != Proof::default());
        moved
            .map(|(index, mark)| {
                let Checkpoint { mut proof, parked, .. } = before[index];
                proof += mark.proof;
                (index, Checkpoint { position: mark.position, proof, parked })
            })
            .collect()
    }
}

fn unfoldable(commit: &Opened, reason: Unfoldable) -> Fault {
    Fault::unfoldable(commit.position.cast_unsigned(), &commit.subject, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(position: i64, commits: i64, sum: u128) -> Checkpoint {
        Checkpoint { position, proof: Proof { commits, sum }, parked: 0 }
    }

    #[test]
    fn only_checkpoints_that_got_something_move_and_their_proofs_add_up() {
        let lane = Lane { first_pp: 0, last_pp: 0, epoch: 1 };
        let before: Vec<_> = projections::ALL.iter().map(|_| checkpoint(5, 2, u128::MAX)).collect();
        let mut folded = Folder::new(lane, &before, true).empty(5);
        assert_eq!(folded.moved(&before), []);
        folded.marks[1] = checkpoint(9, 1, 3);
        assert_eq!(folded.moved(&before), [(1, checkpoint(9, 3, 2))]);
    }
}
