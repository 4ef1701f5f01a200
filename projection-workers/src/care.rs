//! How carefully a lane is folded: what it learned from its last fault.

use std::ops::RangeInclusive;

use crate::error::{Fault, Severity};

/// Most commits of one transaction.
const BATCH: usize = 5_000;

/// Kept from one start of a lane to the next.
#[derive(Clone, Debug)]
pub(crate) struct Care {
    /// One of these commits is at fault: each is written by itself.
    one_by_one: Option<RangeInclusive<i64>>,
    /// Which one is still to be found, so nothing is reported yet.
    pub(crate) searching: bool,
    /// Most commits of a transaction.
    largest: usize,
}

impl Default for Care {
    fn default() -> Self {
        Self { one_by_one: None, searching: false, largest: BATCH }
    }
}

impl Care {
    /// Whether a commit may go with others.
    pub(crate) fn is_free(&self, position: i64) -> bool {
        !self.one_by_one.as_ref().is_some_and(|alone| alone.contains(&position))
    }

    /// Most commits that go together.
    pub(crate) fn largest(&self) -> usize {
        self.largest
    }

    /// The culprit is known, or there was none.
    #[must_use]
    pub(crate) fn at_rest(self) -> Self {
        Self { searching: false, ..self }
    }

    pub(crate) fn went_well(&mut self) {
        self.largest = (self.largest * 2).min(BATCH);
    }

    /// A batch of so many commits in this range met a fault.
    pub(crate) fn met(&mut self, fault: &Fault, range: RangeInclusive<i64>, commits: usize) {
        // A database that is slow today gets through a smaller batch.
        if fault.is_late() {
            self.largest = (commits / 2).max(1);
        }
        self.searching = commits > 1 && fault.severity() == Severity::Halt;
        if self.searching {
            self.one_by_one = Some(range);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Unfoldable;

    fn refused() -> Fault {
        Fault::Refused { code: "22021".to_owned(), place: String::new() }
    }

    #[test]
    fn a_batch_that_is_refused_is_searched_for_its_culprit_and_a_single_commit_is_one() {
        let mut care = Care::default();
        care.met(&refused(), 5..=9, 3);
        assert!(care.searching && !care.is_free(5) && !care.is_free(9) && care.is_free(10));
        care.met(&refused(), 7..=7, 1);
        assert!(!care.searching && !care.is_free(7));
    }

    #[test]
    fn a_slow_database_gets_smaller_batches_until_it_is_well_again() {
        let mut care = Care::default();
        care.met(&Fault::Timeout(30), 1..=4_000, 4_000);
        assert_eq!((care.largest(), care.searching), (2_000, false));
        care.met(&Fault::Timeout(30), 1..=1, 1);
        assert_eq!(care.largest(), 1);
        (0..20).for_each(|_| care.went_well());
        assert_eq!(care.largest(), BATCH);
    }

    #[test]
    fn what_is_only_away_is_not_searched_for() {
        let mut care = Care::default();
        care.met(&Fault::DatabaseAway(String::new()), 1..=9, 9);
        assert!(!care.searching && care.is_free(1));
        let field = Unfoldable::Field("pp");
        care.met(
            &Fault::Unfoldable { position: 3, tenant: String::new(), owner: String::new(), reason: field },
            1..=9,
            9,
        );
        assert!(care.searching);
    }
}
