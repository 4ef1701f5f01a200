//! What one lane tells while it is held; when its holder drops it, its series end.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

use super::Numbers;

const UNKNOWN: i64 = i64::MIN;
const APPLY_SECONDS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// A lane as its holder sees it.
#[derive(Debug)]
pub(crate) struct LaneMetrics {
    lane: Arc<Lane>,
    numbers: Arc<Numbers>,
}

/// A lane as a scrape sees it.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) place: Place,
    pub(super) epoch: i64,
    pub(super) batch_commits: Histogram,
    pub(super) apply_seconds: Histogram,
    /// No commit of this lane that is not applied is older; microseconds since 1970.
    not_before: AtomicI64,
}

/// Which part of the read models a lane is.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) track: i64,
    pub(super) partitions: Range<u32>,
    /// Those whose rows are read.
    pub(super) projections: Vec<usize>,
}

impl LaneMetrics {
    pub(super) fn new(numbers: Arc<Numbers>, place: Place, epoch: i64) -> Self {
        let lane = Arc::new(Lane {
            place,
            epoch,
            batch_commits: Histogram::new(exponential_buckets(1.0, 2.0, 14)),
            apply_seconds: Histogram::new(APPLY_SECONDS),
            not_before: AtomicI64::new(UNKNOWN),
        });
        numbers.hold(&lane);
        Self { lane, numbers }
    }

    /// A batch is about to be applied; its first commit was made at `oldest`. A lane that halts stays behind that one.
    pub(crate) fn taken(&self, oldest: DateTime<Utc>) {
        self.lane.not_before.store(oldest.timestamp_micros(), Ordering::Relaxed);
    }

    /// A batch of `commits` is applied; its last one was made at `newest`.
    pub(crate) fn flushed(&self, commits: u32, took: Duration, newest: DateTime<Utc>) {
        self.taken(newest);
        self.lane.batch_commits.observe(commits.into());
        self.lane.apply_seconds.observe(took.as_secs_f64());
    }

    /// Where the checkpoint stands: told when the lane begins, and of each that has moved after each batch.
    pub(crate) fn position(&self, projection: usize, pp: u32, position: u64) {
        self.numbers.positions.set(projection, pp, position);
    }

    /// So many more commits were applied.
    pub(crate) fn applied(&self, projection: usize, pp: u32, commits: u64) {
        self.numbers.applied.add(projection, pp, commits);
    }

    /// So many commits are parked now.
    pub(crate) fn parked(&self, projection: usize, pp: u32, commits: u64) {
        self.numbers.parked.set(projection, pp, commits);
    }
}

impl Lane {
    /// First and last partition, as in `00-15`, and the track.
    pub(super) fn labels(&self) -> [(&'static str, String); 2] {
        let Place { track, partitions: Range { start, end }, .. } = &self.place;
        [("lane", format!("{start:02}-{:02}", end.saturating_sub(1))), ("track", track.to_string())]
    }

    pub(super) fn not_before(&self) -> Option<DateTime<Utc>> {
        let micros = self.not_before.load(Ordering::Relaxed);
        DateTime::from_timestamp_micros(micros).filter(|_| micros != UNKNOWN)
    }

    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let (own, others) = (&self.place.partitions, &other.place.partitions);
        self.place.track == other.place.track && own.start < others.end && others.start < own.end
    }
}
