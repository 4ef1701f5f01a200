//! How carefully a lane is folded: what it learned from its last fault.

use std::ops::RangeInclusive;

use proto::subject::LogSubject;

use crate::error::{Fault, Severity};
use crate::parking::Verdict;

/// Most commits of one transaction.
const BATCH: usize = 5_000;
/// What is refused goes in so many parts.
const PARTS: usize = 10;

/// Kept from one start of a lane to the next.
#[derive(Clone, Debug)]
pub(crate) struct Care {
    /// One of the commits in this range is at fault, and so many go together there.
    suspected: Option<(RangeInclusive<i64>, usize)>,
    /// It is tried again at once and differently, so nothing is reported yet.
    pub(crate) at_once: bool,
    /// Most commits of a transaction.
    largest: usize,
    /// Who is to be set aside; until that is written.
    verdicts: Vec<Verdict>,
}

impl Default for Care {
    fn default() -> Self {
        Self { suspected: None, at_once: false, largest: BATCH, verdicts: Vec::new() }
    }
}

impl Care {
    /// Most commits that go together where this one is among them.
    pub(crate) fn most(&self, position: i64) -> usize {
        let suspected = self.suspected.as_ref().filter(|(range, _)| range.contains(&position));
        suspected.map_or(self.largest, |(_, most)| *most)
    }

    /// Who is to be set aside.
    pub(crate) fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
    }

    /// The culprit is known, or there was none.
    #[must_use]
    pub(crate) fn at_rest(self) -> Self {
        Self { at_once: false, ..self }
    }

    /// Everything up to `position` was written.
    pub(crate) fn went_well(&mut self, position: i64) {
        self.largest = (self.largest * 2).min(BATCH);
        self.verdicts.retain(|verdict| verdict.position > position);
    }

    /// The commit at `position` cannot be folded: its owner is set aside, or else everything before it, which may be `others` of
    /// the same batch, is written, and then all wait.
    pub(crate) fn met_folding(&mut self, fault: &Fault, position: i64, others: bool) {
        let verdicts = fault.verdicts(None);
        if verdicts.is_empty() {
            self.at_once = others;
            self.suspected = Some((position..=position, 1));
        } else {
            self.condemn(verdicts);
        }
    }

    fn condemn(&mut self, verdicts: Vec<Verdict>) {
        self.at_once = !verdicts.is_empty();
        self.verdicts.extend(verdicts);
    }

    /// A batch of so many commits in this range could not be written; `last` is the owner of the last of them.
    pub(crate) fn met_writing(
        &mut self,
        fault: &Fault,
        range: RangeInclusive<i64>,
        commits: usize,
        last: Option<&LogSubject>,
    ) {
        // A database that is slow today gets through a smaller batch.
        if fault.is_late() {
            self.largest = (commits / 2).max(1);
        }
        if matches!(fault, Fault::ParkingFull(_)) {
            // The next try finds out whether what is at fault was mended meanwhile.
            self.verdicts.clear();
            self.at_once = false;
        } else if commits > 1 && fault.severity() == Severity::Halt {
            // In one of these parts: five refusals find one in 5,000, and what the other parts write is written.
            self.at_once = true;
            self.suspected = Some((range, commits.div_ceil(PARTS)));
        } else {
            let verdicts = fault.verdicts(last.map(|owner| (owner, *range.end())));
            if !verdicts.is_empty() {
                self.suspected = None;
            }
            self.condemn(verdicts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Unfoldable, Unfolded};
    use crate::given::{TENANT, guest};

    fn subject() -> LogSubject {
        LogSubject::new(TENANT.parse().expect("a token"), guest(1))
    }

    fn refused(code: &str) -> Fault {
        let fault = Fault::Refused { code: code.to_owned(), place: String::new() };
        Fault::Unwritten { projection: 2, fault: Box::new(fault) }
    }

    #[test]
    fn a_batch_that_is_refused_goes_in_parts_until_its_culprit_is_found_who_is_set_aside_until_that_is_written() {
        let mut care = Care::default();
        care.met_writing(&refused("22021"), 5..=19, 15, Some(&subject()));
        assert!(care.at_once && care.verdicts().is_empty());
        assert_eq!([4, 5, 19, 20].map(|position| care.most(position)), [BATCH, 2, 2, BATCH]);
        care.met_writing(&refused("22021"), 7..=8, 2, Some(&subject()));
        assert_eq!([5, 7, 8, 9].map(|position| care.most(position)), [BATCH, 1, 1, BATCH]);
        care.met_writing(&refused("22021"), 7..=7, 1, Some(&subject()));
        assert!(care.at_once && care.most(7) == BATCH);
        let found: Vec<_> = care.verdicts().iter().map(|verdict| (verdict.projection, verdict.position)).collect();
        assert_eq!(found, [(2, 7)]);
        care.went_well(6);
        assert_eq!(care.verdicts().len(), 1);
        care.went_well(7);
        assert_eq!(care.verdicts(), []);
    }

    #[test]
    fn nobody_is_set_aside_for_a_table_that_is_not_there() {
        let mut care = Care::default();
        care.met_writing(&refused("42P01"), 7..=7, 1, Some(&subject()));
        assert!(!care.at_once && care.verdicts().is_empty());
        care.met_writing(&refused("42P01"), 7..=8, 2, Some(&subject()));
        care.met_writing(&refused("42P01"), 7..=7, 1, Some(&subject()));
        assert!(!care.at_once && care.most(7) == 1, "what was found out is not searched for again");
    }

    #[test]
    fn a_slow_database_gets_smaller_batches_until_it_is_well_again() {
        let mut care = Care::default();
        care.met_writing(&Fault::Timeout(30), 1..=4_000, 4_000, None);
        assert_eq!((care.most(1), care.at_once), (2_000, false));
        care.met_writing(&Fault::Timeout(30), 1..=1, 1, None);
        assert_eq!(care.most(1), 1);
        (0..20).for_each(|_| care.went_well(1));
        assert_eq!(care.most(1), BATCH);
    }

    #[test]
    fn what_is_only_away_and_a_full_lot_are_not_searched_for() {
        for fault in [Fault::DatabaseAway(String::new()), Fault::ParkingFull(100)] {
            let mut care = Care::default();
            care.met_writing(&fault, 1..=9, 9, Some(&subject()));
            assert!(!care.at_once && care.most(1) == BATCH && care.verdicts().is_empty());
        }
    }

    #[test]
    fn a_commit_that_cannot_be_folded_is_known_at_once_and_a_missing_key_is_nobodys_fault() {
        let unfolded = |reason| {
            let unfolded = Unfolded { position: 3, subject: subject(), projections: vec![1, 4], reason };
            let mut care = Care::default();
            care.met_folding(&Fault::Unfolded(Box::new(unfolded)), 3, true);
            (care.most(3) == BATCH, care.verdicts().len())
        };
        assert_eq!(unfolded(Unfoldable::Field("version")), (true, 2));
        let missing = vault::OpenError::MissingKey { class: proto::DataClass::Contact, epoch: 1 };
        assert_eq!(unfolded(Unfoldable::Sealed(missing)), (false, 0));
    }
}
