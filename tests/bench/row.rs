//! One line of the results: our figure beside its limits, and what it must reach.

use serde::Serialize;
use serde_json::Value;

use crate::figures::{median, median_ratio};

/// What the rounds of one row measured.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    pub(crate) ours: Vec<f64>,
    pub(crate) limit: Vec<f64>,
    pub(crate) raw: Vec<f64>,
    pub(crate) p50_ms: Vec<f64>,
    pub(crate) p99_ms: Vec<f64>,
    pub(crate) limit_p99_ms: Vec<f64>,
    pub(crate) p999_ms: Vec<f64>,
    pub(crate) longest_pause_ms: Vec<f64>,
}

/// Least or greatest figures that count as reached.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Must {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ratio_at_least: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ratio_at_most: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) raw_ratio_at_least: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p99_ratio_at_most: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) missing_at_most: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) times_load_cold_10_at_most: Option<f64>,
}

impl Must {
    pub(crate) const NOTHING: Self = Self {
        ratio_at_least: None,
        ratio_at_most: None,
        raw_ratio_at_least: None,
        p99_ratio_at_most: None,
        missing_at_most: None,
        times_load_cold_10_at_most: None,
    };
}

/// As it is written to the results; absent figures are left out.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) ours: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) raw: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) raw_ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p50_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p99_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit_p99_ms: Option<f64>,
    /// Of the 99th percentiles, as `ratio` is of the figures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p99_ratio: Option<f64>,
    /// Of lag: commands that were accepted and whose rows were never seen, in all rounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) missing: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p999_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) longest_pause_ms: Option<f64>,
    /// Of a cold load: our figure by that of ten events in the same round.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) times_load_cold_10: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) must: Option<Must>,
    /// Whether `must` is reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) met: Option<bool>,
    pub(crate) conditions: String,
}

impl Row {
    /// Medians over the rounds; ratios are taken within each round.
    pub(crate) fn new(name: &str, unit: &'static str, rounds: &Rounds, conditions: String) -> Self {
        let figure = |figures: &[f64]| median(figures).map(rounded);
        Self {
            name: name.to_owned(),
            unit,
            ours: figure(&rounds.ours),
            limit: figure(&rounds.limit),
            ratio: median_ratio(&rounds.ours, &rounds.limit).map(rounded),
            raw: figure(&rounds.raw),
            raw_ratio: median_ratio(&rounds.ours, &rounds.raw).map(rounded),
            p50_ms: figure(&rounds.p50_ms),
            p99_ms: figure(&rounds.p99_ms),
            limit_p99_ms: figure(&rounds.limit_p99_ms),
            p99_ratio: median_ratio(&rounds.p99_ms, &rounds.limit_p99_ms).map(rounded),
            p999_ms: figure(&rounds.p999_ms),
            longest_pause_ms: figure(&rounds.longest_pause_ms),
            conditions,
            ..Self::default()
        }
    }

    /// Says whether the row reaches what it must, if it must.
    pub(crate) fn held_to(self, must: Must) -> Self {
        if must == Must::NOTHING {
            return self;
        }
        let at_least = |figure: Option<f64>, least: Option<f64>| least.is_none_or(|least| figure >= Some(least));
        let at_most = |figure: Option<f64>, most: Option<f64>| {
            most.is_none_or(|most| figure.is_some_and(|figure| figure <= most))
        };
        let met = at_least(self.ratio, must.ratio_at_least)
            && at_most(self.ratio, must.ratio_at_most)
            && at_least(self.raw_ratio, must.raw_ratio_at_least)
            && at_most(self.p99_ratio, must.p99_ratio_at_most)
            && at_most(self.missing.map(f64::from), must.missing_at_most.map(f64::from))
            && at_most(self.times_load_cold_10, must.times_load_cold_10_at_most);
        Self { must: Some(must), met: Some(met), ..self }
    }

    pub(crate) fn to_json(&self) -> anyhow::Result<Value> {
        Ok(serde_json::to_value(self)?)
    }
}

/// Three decimals: more would only pretend.
fn rounded(figure: f64) -> f64 {
    (figure * 1_000.0).round() / 1_000.0
}
