//! A lane: a range of virtual partitions of one track, which one worker folds at a time.

use std::fmt;
use std::ops::RangeInclusive;

/// A lane as its holder knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lane {
    /// Which generations of the read models are folded in it.
    pub(crate) track: i64,
    pub(crate) first_pp: i16,
    pub(crate) last_pp: i16,
    /// Fences off whoever held the lane before.
    pub(crate) epoch: i64,
}

impl Lane {
    pub(crate) fn partitions(&self) -> RangeInclusive<i16> {
        self.first_pp..=self.last_pp
    }

    pub(crate) fn width(&self) -> usize {
        self.partitions().count()
    }

    /// Where a partition stands among the lane's; `None` when it is none of them.
    pub(crate) fn index_of(&self, pp: i16) -> Option<usize> {
        self.partitions().contains(&pp).then(|| usize::try_from(pp - self.first_pp).ok()).flatten()
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}-{:02} of track {}", self.first_pp, self.last_pp, self.track)
    }
}
