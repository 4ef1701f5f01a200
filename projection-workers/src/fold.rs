//! Folding: commits of one lane into one batch per projection, with the proof of each.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use proto::subject::LogSubject;
use schema::Partitions;

use crate::checkpoint::{Checkpoint, Checkpoints};
use crate::error::{Fault, Unfoldable, Unfolded};
use crate::lane::Lane;
use crate::open::{Sealed, Unopened};
use crate::parking::{Fate, Lot, SetAside};
use crate::projection::{Batch, Kind};
use crate::projections;
use crate::proof::Proof;
use crate::spans::Causes;
use crate::track::Track;

/// Folds from where each checkpoint was when the lane was taken up.
pub(crate) struct Folder {
    lane: Lane,
    track: Arc<Track>,
    proves: bool,
    /// By projection, then by partition. A read model that is ahead, since another was made anew, passes over what it has.
    starts: Vec<i64>,
    lot: Lot,
}

/// What was folded and is not written yet.
pub(crate) struct Folded {
    /// By projection; None where the projection is folded elsewhere.
    pub(crate) batches: Vec<Option<Box<dyn Batch>>>,
    /// As `starts`: the last position of each checkpoint and what was added to its proof.
    marks: Vec<Checkpoint>,
    pub(crate) commits: usize,
    /// Positions of the first and the last of them.
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// Commits that are not in the batches, since their owners are set aside.
    pub(crate) aside: Vec<SetAside>,
    /// Whose the last one is.
    pub(crate) subject: Option<LogSubject>,
    /// Where the lane is with it.
    pub(crate) position: i64,
    /// When the first and the last of its commits were recorded.
    pub(crate) recorded: Option<(DateTime<Utc>, DateTime<Utc>)>,
    pub(crate) causes: Causes,
}

impl Folder {
    /// `proves` is false only where the price of the proof is measured.
    pub(crate) fn new(checkpoints: &Checkpoints, lot: Lot, proves: bool) -> Self {
        let starts = checkpoints.each().iter().map(|checkpoint| checkpoint.position).collect();
        Self { lane: checkpoints.lane, track: Arc::clone(&checkpoints.track), proves, starts, lot }
    }

    /// All partitions from the first commit on, with these set aside.
    #[cfg(test)]
    pub(crate) fn of_everything(lot: Lot) -> Self {
        let lane = Lane { track: 1, first_pp: 0, last_pp: 63, epoch: 1 };
        let starts = vec![0; projections::ALL.len() * lane.width()];
        Self { lane, track: Arc::new(Track::of_all()), proves: true, starts, lot }
    }

    /// Nothing, at a position.
    pub(crate) fn empty(&self, position: i64) -> Folded {
        Folded {
            batches: projections::ALL.iter().enumerate().map(|(number, kind)| self.batch(number, kind)).collect(),
            marks: vec![Checkpoint::default(); self.starts.len()],
            commits: 0,
            first: position,
            last: position,
            aside: Vec::new(),
            subject: None,
            position,
            recorded: None,
            causes: Causes::default(),
        }
    }

    fn batch(&self, projection: usize, kind: &Kind) -> Option<Box<dyn Batch>> {
        self.track.generation(projection).map(|_| (kind.empty)())
    }

    /// Adds one commit. After an error `folded` may hold a part of it, and must not be written.
    pub(crate) fn fold(&self, folded: &mut Folded, sealed: &Sealed) -> Result<(), Fault> {
        let mark = if self.proves { sealed.mark() } else { 0 };
        let (position, subject) = (sealed.message.position.cast_signed(), sealed.message.subject.clone());
        let unfolded = |projections, reason| {
            let subject = subject.clone();
            Fault::Unfolded(Box::new(Unfolded { position, subject, projections, reason }))
        };
        let pp = i16::from(subject.partition());
        let place = self.lane.index_of(pp).ok_or_else(|| unfolded(Vec::new(), Unfoldable::Field("pp")))?;
        let opened = match sealed.open() {
            Err(unopened) => {
                let lost = self.concerned(&unopened, place, position, &subject);
                if !lost.is_empty() {
                    return Err(unfolded(lost, unopened.reason));
                }
                Err(unopened)
            }
            opened => opened,
        };
        let facet = opened.as_ref().map_or_else(|unopened| unopened.facet.as_deref(), |commit| Some(&*commit.facet));
        let fates = self.lot.fates(&subject, position);
        for (number, (kind, batch)) in projections::ALL.iter().zip(&mut folded.batches).enumerate() {
            let index = number * self.lane.width() + place;
            let Some(batch) = batch.as_mut().filter(|_| position > self.starts[index]) else { continue };
            if facet.is_none_or(|facet| kind.facets.contain(facet)) {
                match (fates.of(number), &opened) {
                    (Fate::Parked(verdict), _) => {
                        folded.aside.push(SetAside::new(number, &subject, position, verdict));
                        folded.marks[index].parked += 1;
                    }
                    (Fate::Skipped, _) => folded.marks[index].skipped += 1,
                    (Fate::Folded, Ok(commit)) => {
                        batch.fold(commit).map_err(|reason| unfolded(vec![number], reason))?;
                    }
                    (Fate::Folded, Err(_)) => {}
                }
            }
            folded.marks[index].position = position;
            folded.marks[index].proof.add(mark);
        }
        if folded.commits == 0 {
            folded.first = position;
        }
        folded.causes.add(&sealed.message);
        folded.last = position;
        folded.commits += 1;
        folded.position = position;
        if let Ok(commit) = &opened {
            let first = folded.recorded.map_or(commit.recorded_at, |(first, _)| first);
            folded.recorded = Some((first, commit.recorded_at));
        }
        folded.subject = Some(subject);
        Ok(())
    }

    /// The read models that should have the commit: neither is its owner set aside for them, nor is it skipped.
    fn concerned(&self, unopened: &Unopened, place: usize, position: i64, subject: &LogSubject) -> Vec<usize> {
        let reads = |kind: &Kind| unopened.facet.as_deref().is_none_or(|facet| kind.facets.contain(facet));
        let fates = self.lot.fates(subject, position);
        let is_concerned = |number: &usize| {
            reads(&projections::ALL[*number])
                && position > self.starts[number * self.lane.width() + place]
                && fates.of(*number) == Fate::Folded
        };
        self.track.projections().filter(is_concerned).collect()
    }
}

impl Folded {
    /// The partitions of `lane` that something is folded in.
    pub(crate) fn partitions(&self, lane: Lane) -> Partitions {
        let places = self.marks.chunks(lane.width()).flat_map(|marks| lane.partitions().zip(marks));
        places.filter(|(_, mark)| mark.position > 0).map(|(pp, _)| pp).collect()
    }

    /// How many commits each checkpoint gets, by its index.
    pub(crate) fn applied(&self) -> Vec<(usize, i64)> {
        let applied = self.marks.iter().map(Checkpoint::applied).enumerate();
        applied.filter(|(_, commits)| *commits > 0).collect()
    }

    /// The checkpoints it moves, by their index, as they are with it; `before` as they are without.
    pub(crate) fn moved(&self, before: &[Checkpoint]) -> Vec<(usize, Checkpoint)> {
        let moved = self.marks.iter().enumerate().filter(|(_, mark)| mark.proof != Proof::default());
        moved
            .map(|(index, mark)| {
                let Checkpoint { mut proof, parked, skipped, .. } = before[index];
                proof += mark.proof;
                let (parked, skipped) = (parked + mark.parked, skipped + mark.skipped);
                (index, Checkpoint { position: mark.position, proof, parked, skipped })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(position: i64, commits: i64, sum: u128) -> Checkpoint {
        Checkpoint { position, proof: Proof { commits, sum }, parked: 0, skipped: 0 }
    }

    #[test]
    fn only_checkpoints_that_got_something_move_and_their_proofs_add_up() {
        let lane = Lane { track: 1, first_pp: 0, last_pp: 0, epoch: 1 };
        let before: Vec<_> = projections::ALL.iter().map(|_| checkpoint(5, 2, u128::MAX)).collect();
        let starting = Folder { lane, starts: vec![5; before.len()], ..Folder::of_everything(Lot::default()) };
        let mut folded = starting.empty(5);
        assert_eq!(folded.moved(&before), []);
        folded.marks[1] = checkpoint(9, 1, 3);
        assert_eq!(folded.moved(&before), [(1, checkpoint(9, 3, 2))]);
    }
}
