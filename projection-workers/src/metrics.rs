//! What the workers tell Prometheus: how far each projection is, how old what it lacks is, and what the lanes do.
//!
//! Whoever folds only sets numbers; labels, lags and text are made when somebody asks. `docs/monitoring.md` explains each figure.

mod ends;
mod errands;
mod figures;
mod lane;
mod table;
#[cfg(test)]
mod tests;
pub(crate) mod watch;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use chrono::{DateTime, Utc};
use prometheus_client::registry::Registry;

use crate::projections;
use ends::Ends;
use errands::Errands;
use figures::Figures;
pub(crate) use lane::LaneMetrics;
use lane::{Lane, Place};
use table::Table;

/// Cheap to clone. A projection is its place in [`projections::ALL`], `pp` a virtual partition; what is out of range is not told.
#[derive(Clone, Debug)]
pub(crate) struct Metrics(Arc<Numbers>);

/// What is told of all lanes together. Counts last as long as the process, so that one that is lost takes none with it.
#[derive(Debug)]
struct Numbers {
    lanes: Mutex<Vec<Weak<Lane>>>,
    ends: Mutex<Ends>,
    positions: Table,
    verified: Table,
    parked: Table,
    applied: Table,
    findings: Table,
    errands: Errands,
    checks: [AtomicU64; Check::ALL.len()],
}

/// How a check of the sampler ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Check {
    /// The rows are what the log gives.
    Equal,
    /// They are not.
    Different,
    /// Nobody knows: the guest's life is too long to be folded again every now and then, or something was away.
    Undecided,
}

impl Check {
    /// By their labels, in the order of the variants.
    const ALL: [&str; 3] = ["equal", "different", "undecided"];
}

impl Metrics {
    /// Registers all figures. They are there from the start, and those of a lane from when it is held.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let numbers = Arc::new(Numbers::default());
        registry.register_collector(Box::new(Figures(Arc::clone(&numbers))));
        Self(numbers)
    }

    /// The log was asked at `asked` and said that it ends at `position`.
    pub(crate) fn log_ends(&self, position: u64, asked: DateTime<Utc>) {
        lock(&self.0.ends).saw(position, asked);
    }

    /// A lane that this process folds from now on, until what is returned is dropped.
    /// `projections` are those in it whose rows are read; of others only the lane is told.
    pub(crate) fn lane(&self, lane: crate::lane::Lane, projections: Vec<usize>) -> LaneMetrics {
        let [first, last] = [lane.first_pp, lane.last_pp].map(i16::cast_unsigned).map(u32::from);
        LaneMetrics::new(
            Arc::clone(&self.0),
            Place { track: lane.track, partitions: first..last + 1, projections },
            lane.epoch,
        )
    }

    /// Up to `position` the rows of the projection were found to be what the log gives.
    pub(crate) fn verified(&self, projection: usize, pp: u32, position: u64) {
        self.0.verified.set(projection, pp, position);
    }

    /// A row was found that is not what the log gives.
    pub(crate) fn found(&self, projection: usize, pp: u32) {
        self.0.findings.add(projection, pp, 1);
    }

    /// An errand of this process is done up to `position`.
    pub(crate) fn errand_at(&self, errand: &str, position: u64) {
        self.0.errands.at(errand, position);
    }

    /// So many messages of an errand were kept.
    pub(crate) fn errand_sent(&self, errand: &str, messages: usize) {
        self.0.errands.sent(errand, messages);
    }

    pub(crate) fn checked(&self, check: Check) {
        self.0.checks[check as usize].fetch_add(1, Ordering::Relaxed);
    }
}

impl Default for Numbers {
    fn default() -> Self {
        let projections = projections::ALL.len();
        Self {
            lanes: Mutex::default(),
            ends: Mutex::default(),
            positions: Table::unknown(projections),
            verified: Table::unknown(projections),
            parked: Table::unknown(projections),
            applied: Table::zero(projections),
            findings: Table::zero(projections),
            errands: Errands::default(),
            checks: Default::default(),
        }
    }
}

impl Numbers {
    /// Adds a lane. One it overlaps with is lost, even if whoever held it does not know yet.
    fn hold(&self, lane: &Arc<Lane>) {
        let mut lanes = lock(&self.lanes);
        lanes.retain(|other| other.upgrade().is_some_and(|other| !other.overlaps(lane)));
        for pp in lane.place.partitions.clone() {
            for projection in &lane.place.projections {
                for gauge in [&self.positions, &self.verified, &self.parked] {
                    gauge.forget(*projection, pp);
                }
            }
        }
        lanes.push(Arc::downgrade(lane));
    }

    /// The lanes that are held, in the order of their partitions.
    fn held(&self) -> Vec<Arc<Lane>> {
        let mut lanes: Vec<_> = lock(&self.lanes).iter().filter_map(Weak::upgrade).collect();
        lanes.sort_unstable_by_key(|lane| (lane.place.track, lane.place.partitions.start));
        lanes
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
