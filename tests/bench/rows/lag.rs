//! `lag`: how long after its answer a command can be read, beside a raw loop behind plain publishes.

mod poller;
mod side;

use std::time::Duration;

use anyhow::ensure;
use keepsake_tests::harness::table;
use proto::subject::LOG_STREAM;
use tokio_util::task::AbortOnDropHandle;

use super::Spec;
use crate::bench::{Bench, ROUNDS, conditions_of_folding};
use crate::contestant::command::Commands;
use crate::contestant::plain::PlainPublishes;
use crate::field::OWNERS;
use crate::folding::Folding;
use crate::plain;
use crate::raw_loop::{Keeps, RawLoop};
use crate::row::{Rounds, Row};
use crate::site::Site;
use poller::ASKS_EVERY;
use side::{RATE, Side};

/// As long as so many measurements elsewhere: in a second there is little to count.
const LONGER: u32 = 3;
const AT_LEAST: Duration = Duration::from_secs(5);
/// The poller's. The raw loop's tables, made after it, get the same.
const INDEX: &str = "CREATE INDEX bench_position ON";

pub(super) async fn measure(bench: &Bench, spec: &Spec) -> anyhow::Result<Row> {
    let mut folding = Folding::start().await?;
    let interaction = table(folding.admin(), "interaction").await;
    folding.admin().batch_execute(&format!("{INDEX} {interaction} (position)")).await?;
    folding.register(OWNERS, &bench.progress).await?;
    folding.site.start_folding().await;
    folding.site.everything_is_folded(&bench.progress).await?;
    plain::create(&folding.site).await?;
    let raw_loop = RawLoop::start(&folding.site, Keeps::ThreeTables).await?;
    let mut raw_loop = AbortOnDropHandle::new(tokio::spawn(raw_loop.run()));
    tokio::select! {
        row = compare(bench, &folding.site, spec) => row,
        ended = &mut raw_loop => match ended?? {},
    }
}

async fn compare(bench: &Bench, site: &Site, spec: &Spec) -> anyhow::Result<Row> {
    let ours = Side::new(site, Commands::record(0..OWNERS), LOG_STREAM, "read.interaction").await?;
    let raw = Side::new(site, PlainPublishes::new(OWNERS), plain::STREAM, "bench_raw.interaction").await?;
    let timed = AT_LEAST.max(bench.timed * LONGER);
    let (mut rounds, mut missing) = (Rounds::default(), 0);
    for number in 1..=ROUNDS {
        let label = |contestant: &str| format!("{} {number}/{ROUNDS} {contestant}", spec.name);
        let lag = ours.lag(bench, site, timed, &label("ours")).await?;
        rounds.ours.push(lag.p50_ms);
        rounds.p99_ms.push(lag.p99_ms);
        missing += lag.missing;
        let lag = raw.lag(bench, site, timed, &label("raw loop")).await?;
        ensure!(lag.missing == 0, "the raw loop lost {} interactions", lag.missing);
        rounds.limit.push(lag.p50_ms);
        rounds.limit_p99_ms.push(lag.p99_ms);
    }
    let what = format!(
        "ms from an accepted reply to its row, as a poller sees it that asks every {ASKS_EVERY:?}; an open loop of {RATE} \
         commands/s on {OWNERS} guests for {timed:?}; limit = guarded publishes of the same interactions as plain JSON, written \
         by a raw loop in the bench to three tables like ours"
    );
    let row = Row::new(spec.name, "ms", &rounds, conditions_of_folding(ROUNDS, &what));
    Ok(Row { missing: Some(u32::try_from(missing)?), ..row })
}
