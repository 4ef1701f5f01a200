//! `projection.poisoned`: what one guest whose commits cannot be folded costs everybody else.

use anyhow::ensure;
use keepsake_tests::harness::table;

use super::Spec;
use super::history::{GUESTS, History, describe};
use crate::bench::{Bench, conditions_of_folding};
use crate::row::{Rounds, Row};

/// More than rounds elsewhere: what is looked for is a few hundredths.
pub(super) const PAIRS: usize = 5;
/// In the middle of all.
const SOMEBODY: &str = "SELECT guest_id FROM read.profile ORDER BY guest_id OFFSET 5000 LIMIT 1";
const PARKED: &str = "SELECT count(DISTINCT owner) FROM keepsake.parked_commit";

pub(super) async fn measure(bench: &Bench, history: &mut History, spec: &Spec) -> anyhow::Result<Row> {
    let guest: String = history.folding.admin().query_one(SOMEBODY, &[]).await?.try_get(0)?;
    let interaction = table(history.folding.admin(), "interaction").await;
    let poison = format!("ALTER TABLE {interaction} ADD CONSTRAINT poisoned CHECK (guest_id <> '{guest}') NOT VALID");
    let mend = format!("ALTER TABLE {interaction} DROP CONSTRAINT poisoned");
    let mut rounds = Rounds::default();
    for number in 1..=PAIRS {
        // Whatever grows from one rebuild to the next falls on both alike.
        for is_poisoned in [number % 2 == 1, number % 2 == 0] {
            let label = format!("{} {number}/{PAIRS} {}", spec.name, if is_poisoned { "poisoned" } else { "sound" });
            bench.progress.measuring(&label);
            history.folding.empty().await;
            if is_poisoned {
                history.folding.admin().batch_execute(&poison).await?;
            }
            let seconds = history.folding.busy_seconds(&bench.progress).await?;
            let parked: i64 = history.folding.admin().query_one(PARKED, &[]).await?.try_get(0)?;
            ensure!(parked == i64::from(is_poisoned), "{parked} guests are parked");
            if is_poisoned {
                history.folding.admin().batch_execute(&mend).await?;
            }
            bench.progress.measured(&format!("{label}: {seconds:.2} s"));
            let rounds = if is_poisoned { &mut rounds.ours } else { &mut rounds.limit };
            rounds.push(seconds);
        }
    }
    let what = format!(
        "processor time of everything on the machine, from the worker's start until everything is folded, with one guest of \
         {GUESTS} whose rows one table refuses; {}; limit = the same with nobody refused",
        describe()
    );
    Ok(Row::new(spec.name, "CPU s", &rounds, conditions_of_folding(PAIRS, &what)))
}
