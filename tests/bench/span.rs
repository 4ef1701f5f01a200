//! How fast a count grows, told from looking at it.

use std::time::Instant;

use crate::figures;

/// What is counted before the clock starts: whoever folds has to take hold of its work first.
pub(crate) const WARM_UP: usize = 10_000;

/// From the first look past the warm-up to the end.
pub(crate) struct Span {
    warm: u64,
    end: u64,
    began: Option<(u64, Instant)>,
}

impl Span {
    pub(crate) fn new(begin: u64, end: u64) -> Self {
        Self { warm: begin + WARM_UP as u64, end, began: None }
    }

    /// How much a second, once the end is reached.
    pub(crate) fn seen(&mut self, count: u64) -> Option<f64> {
        let now = Instant::now();
        if count < self.warm {
            return None;
        }
        let (first, since) = *self.began.get_or_insert((count, now));
        let counted = usize::try_from(count - first).ok()?;
        (count >= self.end).then(|| figures::count(counted) / (now - since).as_secs_f64())
    }
}
