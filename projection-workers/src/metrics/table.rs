//! One number for each projection and virtual partition, set by who folds and read by who scrapes.

use std::sync::atomic::{AtomicU64, Ordering};

use proto::subject::PARTITIONS;

const UNKNOWN: u64 = u64::MAX;

/// Each number stands for itself, so none of them orders anything.
#[derive(Debug)]
pub(super) struct Table(Vec<[AtomicU64; PARTITIONS as usize]>);

impl Table {
    pub(super) fn zero(projections: usize) -> Self {
        Self::filled(projections, 0)
    }

    /// Holds nothing until it is set.
    pub(super) fn unknown(projections: usize) -> Self {
        Self::filled(projections, UNKNOWN)
    }

    fn filled(projections: usize, number: u64) -> Self {
        Self((0..projections).map(|_| std::array::from_fn(|_| AtomicU64::new(number))).collect())
    }

    pub(super) fn set(&self, projection: usize, pp: u32, number: u64) {
        if let Some(cell) = self.cell(projection, pp) {
            cell.store(number, Ordering::Relaxed);
        }
    }

    pub(super) fn add(&self, projection: usize, pp: u32, number: u64) {
        if let Some(cell) = self.cell(projection, pp) {
            cell.fetch_add(number, Ordering::Relaxed);
        }
    }

    pub(super) fn get(&self, projection: usize, pp: u32) -> Option<u64> {
        let number = self.cell(projection, pp)?.load(Ordering::Relaxed);
        (number != UNKNOWN).then_some(number)
    }

    /// Makes it unknown again.
    pub(super) fn forget(&self, projection: usize, pp: u32) {
        self.set(projection, pp, UNKNOWN);
    }

    fn cell(&self, projection: usize, pp: u32) -> Option<&AtomicU64> {
        self.0.get(projection)?.get(pp as usize)
    }
}
