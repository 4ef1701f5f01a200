//! Arithmetic of figures: medians, percentiles, milliseconds.

use std::time::Duration;

/// A count as a figure; counts here are far below the four billion that fit.
pub(crate) fn count(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

pub(crate) fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

pub(crate) fn ms(micros: u32) -> f64 {
    f64::from(micros) / 1_000.0
}

/// The middle one, or the mean of the two in the middle; `None` of nothing.
pub(crate) fn median(figures: &[f64]) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        length if length % 2 == 0 => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
        _ => Some(sorted[middle]),
    }
}

/// The figure that `permille` of a thousand do not exceed; `None` of nothing.
pub(crate) fn percentile(sorted: &[u32], permille: usize) -> Option<u32> {
    let rank = (sorted.len() * permille).div_ceil(1_000).max(1);
    sorted.get(rank - 1).copied()
}

/// The median of what each round says of two figures: a slow moment of the machine falls on both.
pub(crate) fn median_ratio(ours: &[f64], limit: &[f64]) -> Option<f64> {
    let of_something = |(_, limit): &(&f64, &f64)| **limit > 0.0;
    let ratios: Vec<f64> = ours.iter().zip(limit).filter(of_something).map(|(ours, limit)| ours / limit).collect();
    median(&ratios)
}
