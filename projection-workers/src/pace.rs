//! How fast a lane is folded: what readers see as fast as it goes, and what gives way to them one lane at a time, with rests that
//! grow while Postgres answers slower than it could.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deadpool_postgres::Pool;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::checkpoint;

/// Commits that go together where nobody has to be given way to, and where somebody has.
const FULL_BATCH: usize = 5_000;
const SMALL_BATCH: usize = 500;

const PROBE_EVERY: Duration = Duration::from_millis(50);
/// After so many probes the rests are changed.
const PROBES: usize = 20;
/// Of the slowest tenth of probes, against the least that was ever seen.
const MOST_STRAIN: f64 = 1.5;
/// Differences smaller than this are the clock's.
const NOISE: f64 = 0.000_2;
/// How long is rested after each second of work.
const FIRST_REST: f64 = 3.0;
const LONGEST_REST: f64 = 20.0;
/// Whoever wants a worker to end waits for its rests, too.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Everybody's pace. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Paces {
    turns: Arc<Semaphore>,
    /// Of those that give way: one at a time.
    slow: Arc<Semaphore>,
    strain: Arc<Strain>,
}

impl Paces {
    /// So many lanes may write at once.
    pub(crate) fn new(writers: usize) -> Self {
        let (turns, slow) = (Arc::new(Semaphore::new(writers)), Arc::new(Semaphore::new(1)));
        Self { turns, slow, strain: Arc::default() }
    }

    pub(crate) fn of(&self, throttled: bool) -> Pace {
        let turns = Arc::clone(if throttled { &self.slow } else { &self.turns });
        let gives_way = throttled.then(|| (Arc::clone(&self.strain), Arc::clone(&self.strain.giving_way)));
        Pace { turns, gives_way }
    }

    /// Asks Postgres how it is while anybody gives way, until the process stops.
    pub(crate) async fn watch(self, pool: Pool, stop: CancellationToken) -> anyhow::Result<()> {
        stop.run_until_cancelled(self.strain.watch(&pool)).await;
        Ok(())
    }
}

/// Of one lane. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Pace {
    turns: Arc<Semaphore>,
    /// With what counts those who do.
    gives_way: Option<(Arc<Strain>, Arc<()>)>,
}

impl Pace {
    /// Most commits that are read, opened or written together.
    pub(crate) fn most(&self) -> usize {
        if self.gives_way.is_some() { SMALL_BATCH } else { FULL_BATCH }
    }

    /// Waits until the lane may write. A lane that waits for its turn folds on, unless it gives way.
    pub(crate) async fn turn(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.turns).acquire_owned().await.expect("nobody closes it")
    }

    /// The same before commits are opened or folded; only whoever gives way waits.
    pub(crate) async fn turn_to_fold(&self) -> Option<OwnedSemaphorePermit> {
        match self.gives_way {
            Some(_) => Some(self.turn().await),
            None => None,
        }
    }

    /// Ends a turn in which something was written; whoever gives way keeps it for a while.
    pub(crate) async fn rest(&self, turn: OwnedSemaphorePermit, worked: Duration) {
        if let Some((strain, _)) = &self.gives_way {
            tokio::time::sleep(worked.mul_f64(strain.rest()).min(AT_ONCE)).await;
        }
        drop(turn);
    }
}

/// How much is rested, by how fast Postgres answers.
struct Strain {
    rest: AtomicU64,
    /// Cloned by everybody who gives way.
    giving_way: Arc<()>,
}

impl Default for Strain {
    fn default() -> Self {
        Self { rest: AtomicU64::new(FIRST_REST.to_bits()), giving_way: Arc::default() }
    }
}

impl Strain {
    fn rest(&self) -> f64 {
        f64::from_bits(self.rest.load(Ordering::Relaxed))
    }

    async fn watch(&self, pool: &Pool) {
        let mut ticks = tokio::time::interval(PROBE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut seconds, mut least) = (Vec::with_capacity(PROBES), f64::INFINITY);
        loop {
            ticks.tick().await;
            if Arc::strong_count(&self.giving_way) == 1 {
                seconds.clear();
                continue;
            }
            let began = Instant::now();
            // Without an answer it was certainly slow.
            let _no_answer = checkpoint::ping(pool).await;
            seconds.push(began.elapsed().as_secs_f64());
            if seconds.len() == PROBES {
                seconds.sort_by(f64::total_cmp);
                let slow = seconds[PROBES * 9 / 10];
                least = least.min(slow);
                self.rest.store(rest_after(self.rest(), slow, least).to_bits(), Ordering::Relaxed);
                seconds.clear();
            }
        }
    }
}

/// Rests grow fast and shrink slowly.
fn rest_after(rest: f64, slow: f64, least: f64) -> f64 {
    if slow > least * MOST_STRAIN + NOISE { (rest * 1.5 + 0.5).min(LONGEST_REST) } else { (rest * 0.9 - 0.05).max(0.0) }
}

#[cfg(test)]
mod tests {
    use super::rest_after;

    #[test]
    fn rests_grow_under_strain_up_to_a_limit_and_end_without() {
        let strained = (0..20).fold(0.0, |rest, _| rest_after(rest, 0.004, 0.001));
        assert!((strained - 20.0).abs() < f64::EPSILON);
        let relaxed = (0..60).fold(strained, |rest, _| rest_after(rest, 0.001_4, 0.001));
        assert!(relaxed.abs() < f64::EPSILON);
    }
}
