//! How many commits are few: up to there single publishes are faster, from there on a batch is. Both are timed as they run.
//!
//! With an fsync per message the log takes single publishes one after the other, each in about the same time, however many
//! are sent ahead; a batch costs a fixed time and little for each commit in it. Where the two lines cross depends on the
//! disk and on the number of replicas.

use std::time::Duration;

use tokio::time::Instant;

/// Bounds of the answer: a bad measurement must not keep the other way from being tried again.
const FEWEST: f64 = 4.0;
const MOST: f64 = 32.0;
/// Weight of a new figure against all earlier ones.
const NEW: f64 = 1.0 / 16.0;
/// A figure this many times as large as expected is a hiccup, not a measurement.
const HICCUP: f64 = 4.0;

/// Batches up to this size tell where the lines cross; of larger ones the fixed part is lost in the rest.
const COMPARABLE: usize = 128;

/// Seconds; what one server with fsync takes on an ordinary disk, until this one was measured.
const SINGLE: f64 = 170e-6;
const BATCH: f64 = 2.0e-3;
const BATCHED_COMMIT: f64 = 18e-6;

pub(super) struct Pace {
    /// Between two acknowledgements while several singles are under way.
    single: f64,
    /// Fixed part of a batch, with `BATCHED_COMMIT` for each commit taken off.
    batch: f64,
    /// When the last single was acknowledged with others still under way behind it.
    previous: Option<Instant>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { single: SINGLE, batch: BATCH, previous: None }
    }
}

impl Pace {
    /// The most commits that are still better published one by one.
    pub(super) fn few(&self) -> usize {
        let crossing = self.batch / (self.single - BATCHED_COMMIT).max(f64::EPSILON);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between FEWEST and MOST")]
        let few = crossing.clamp(FEWEST, MOST) as usize;
        few
    }

    /// A single publish began; so many are under way now.
    pub(super) fn single_began(&mut self, under_way: usize) {
        if under_way == 1 {
            self.previous = None;
        }
    }

    /// A single publish ended; so many are still under way.
    pub(super) fn single_ended(&mut self, acknowledged: bool, under_way: usize) {
        let now = Instant::now();
        if let Some(previous) = self.previous
            && acknowledged
        {
            learn(&mut self.single, (now - previous).as_secs_f64());
        }
        self.previous = (under_way > 0).then_some(now);
    }

    pub(super) fn batch_ended(&mut self, acknowledged: bool, commits: usize, took: Duration) {
        if acknowledged && (2..=COMPARABLE).contains(&commits) {
            #[expect(clippy::cast_precision_loss, reason = "at most a thousand")]
            let fixed = took.as_secs_f64() - BATCHED_COMMIT * commits as f64;
            learn(&mut self.batch, fixed.max(0.0));
        }
    }
}

fn learn(figure: &mut f64, measured: f64) {
    *figure += (measured.min(*figure * HICCUP) - *figure) * NEW;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(pace: &mut Pace, batches: usize, commits: usize, took: Duration) -> usize {
        (0..batches).for_each(|_| pace.batch_ended(true, commits, took));
        pace.few()
    }

    #[test]
    fn cheap_batches_pay_from_fewer_commits_on_and_dear_ones_from_more() {
        let mut pace = Pace::default();
        assert!((10..=16).contains(&pace.few()));
        assert!(after(&mut pace, 100, 64, Duration::from_millis(2)) < 8, "as on three replicas");
        assert_eq!(after(&mut pace, 1_000, 64, Duration::from_secs(1)), 32);
    }

    #[test]
    fn one_hiccup_changes_little() {
        let mut pace = Pace::default();
        let before = pace.few();
        assert!(after(&mut pace, 1, 64, Duration::from_secs(5)) <= before + before / 4);
        pace.batch_ended(false, 64, Duration::ZERO);
        assert!(pace.few() >= before);
    }
}
