//! `command.c*`: callers who ask again as soon as they are answered.

use std::sync::Arc;

use super::Spec;
use crate::atomic::BATCH;
use crate::bench::{Bench, ROUNDS, WARM_UP, conditions};
use crate::contestant::Contestant;
use crate::contestant::batches::Batches;
use crate::contestant::raw::Raw;
use crate::field::{Field, OWNERS};
use crate::load::{Load, Sample, round};
use crate::row::{Rounds, Row};
use crate::site::Site;

#[derive(Clone, Copy)]
pub(crate) struct Closed {
    pub(crate) callers: usize,
    pub(crate) raw: Limit,
}

/// What the bare log is asked for comparison.
#[derive(Clone, Copy)]
pub(crate) enum Limit {
    /// As many single publishes under way as there are callers.
    Singles,
    /// One atomic batch under way.
    Batches,
}

pub(super) async fn measure(
    bench: &Bench,
    site: &Site,
    field: &Field,
    spec: &Spec,
    Closed { callers, raw }: Closed,
) -> anyhow::Result<Row> {
    let mut rounds = Rounds::default();
    for number in 1..=ROUNDS {
        let label = |contestant: &str| format!("{} {number}/{ROUNDS} {contestant}", spec.name);
        let ours = rate(bench, site, callers, &field.ours, &label("ours")).await?;
        rounds.ours.push(ours.rate);
        rounds.p50_ms.extend(ours.percentile_ms(500));
        rounds.p99_ms.extend(ours.percentile_ms(990));
        rounds.limit.push(rate(bench, site, callers, &field.relay, &label("relay")).await?.rate);
        rounds.raw.push(raw_rate(bench, site, field, callers, raw, &label("raw")).await?);
    }
    let raw = match raw {
        Limit::Singles => format!("raw = guarded publishes, {callers} under way"),
        Limit::Batches => format!("raw = atomic batches of {BATCH}, one under way"),
    };
    let connections = site.connections(callers).len();
    let what = format!(
        "callers: {callers}, connections: {connections}, guests: {OWNERS}, bytes of a commit: {}; limit = the empty relay; {raw}",
        field.payload_bytes
    );
    Ok(Row::new(spec.name, "commands/s", &rounds, conditions(bench, site, &what)))
}

/// What another row of this run says of us; measured now when that row is not wanted.
pub(super) async fn figure_of(
    bench: &Bench,
    site: &Site,
    field: &Field,
    name: &str,
    callers: usize,
) -> anyhow::Result<f64> {
    if let Some(figure) = bench.figure_of(name) {
        return Ok(figure);
    }
    bench.progress.one_more();
    Ok(rate(bench, site, callers, &field.ours, &format!("{name} for comparison")).await?.rate)
}

/// One closed loop, told as a line.
pub(super) async fn rate(
    bench: &Bench,
    site: &Site,
    callers: usize,
    contestant: &Arc<dyn Contestant>,
    label: &str,
) -> anyhow::Result<Sample> {
    rate_of(bench, site, callers, OWNERS, contestant, label).await
}

/// The same, where the contestant has another number of owners.
pub(super) async fn rate_of(
    bench: &Bench,
    site: &Site,
    callers: usize,
    owners: usize,
    contestant: &Arc<dyn Contestant>,
    label: &str,
) -> anyhow::Result<Sample> {
    bench.progress.measuring(label);
    let load = Load { clients: site.connections(callers), callers, turns: round(callers, owners) };
    let sample = bench.closed(site, &load, contestant).await?;
    bench.progress.measured(&format!("{label}: {sample}"));
    Ok(sample)
}

async fn raw_rate(
    bench: &Bench,
    site: &Site,
    field: &Field,
    callers: usize,
    limit: Limit,
    label: &str,
) -> anyhow::Result<f64> {
    match limit {
        Limit::Singles => {
            let raw: Arc<dyn Contestant> = Arc::<Raw>::clone(&field.raw);
            Ok(rate(bench, site, callers, &raw, label).await?.rate)
        }
        Limit::Batches => {
            bench.progress.measuring(label);
            let rate = Batches::new(site.client(), &field.raw).rate(WARM_UP, bench.timed).await?;
            bench.progress.measured(&format!("{label}: {rate:.0}/s"));
            Ok(rate)
        }
    }
}
