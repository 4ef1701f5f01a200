//! `projection.lanes2`: the same rebuild by two lanes, beside one lane.

use super::Spec;
use super::history::{History, describe};
use crate::bench::{Bench, ROUNDS, conditions_of_folding};
use crate::row::{Rounds, Row};

pub(super) async fn measure(bench: &Bench, history: &mut History, spec: &Spec) -> anyhow::Result<Row> {
    let before = history.folding.lanes().await?;
    let mut rounds = Rounds::default();
    for number in 1..=ROUNDS {
        for (lanes, rates) in [(2, &mut rounds.ours), (1, &mut rounds.limit)] {
            schema::recut(history.folding.admin(), lanes).await?;
            rates.push(history.rate(bench, &format!("{} {number}/{ROUNDS} lanes: {lanes}", spec.name)).await?);
        }
    }
    schema::recut(history.folding.admin(), before).await?;
    let what = format!("{}, two lanes; limit = the same with one lane", describe());
    Ok(Row::new(spec.name, "commits/s", &rounds, conditions_of_folding(ROUNDS, &what)))
}
