//! `projection.rebuild`: read models made anew from the whole log, beside a loop by hand that seals nothing.

use super::Spec;
use super::history::{GUESTS, History, INTERACTIONS, describe};
use crate::bench::{Bench, ROUNDS, conditions_of_folding};
use crate::plain;
use crate::raw_loop::{Keeps, RawLoop, SCHEMA};
use crate::row::{Rounds, Row};
use crate::span::{Span, WARM_UP};

pub(super) async fn measure(bench: &Bench, history: &mut History, spec: &Spec) -> anyhow::Result<Row> {
    plain::create(&history.folding.site).await?;
    plain::fill(&history.folding.site, INTERACTIONS, GUESTS, &bench.progress).await?;
    let lanes = history.folding.lanes().await?;
    let mut rounds = Rounds::default();
    for number in 1..=ROUNDS {
        let label = |contestant: &str| format!("{} {number}/{ROUNDS} {contestant}", spec.name);
        rounds.ours.push(history.rate(bench, &label("ours")).await?);
        rounds.limit.push(by_hand(bench, history, Keeps::ThreeTables, &label("raw loop")).await?);
        rounds.raw.push(by_hand(bench, history, Keeps::TopicGuests, &label("raw loop with topic_guest")).await?);
    }
    let what = format!(
        "{}, {lanes} lanes, counted from the first look past {WARM_UP} commits; limit = a raw loop in the bench that reads the \
         same interactions as plain JSON and writes what arrived, at most 1,000, to three tables like ours; raw = the same loop \
         with the fourth, topic_guest, which we keep as well",
        describe()
    );
    Ok(Row::new(spec.name, "commits/s", &rounds, conditions_of_folding(ROUNDS, &what)))
}

/// Interactions per second of the raw loop over the same span.
async fn by_hand(bench: &Bench, history: &History, keeps: Keeps, label: &str) -> anyhow::Result<f64> {
    bench.progress.measuring(label);
    let mut raw_loop = RawLoop::start(&history.folding.site, keeps).await?;
    history.folding.tidy().await?;
    let (mut span, mut applied) = (Span::new(0, INTERACTIONS as u64), 0);
    let rate = loop {
        applied += raw_loop.step().await? as u64;
        if let Some(rate) = span.seen(applied) {
            break rate;
        }
    };
    history.folding.check(SCHEMA, INTERACTIONS).await?;
    bench.progress.measured(&format!("{label}: {rate:.0}/s"));
    Ok(rate)
}
