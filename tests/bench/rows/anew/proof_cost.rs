//! `projection.proof_cost`: what the proof of a rebuild costs the worker's processor.

use super::Spec;
use super::history::{History, describe};
use crate::bench::{Bench, conditions_of_folding};
use crate::row::{Rounds, Row};

/// More than rounds elsewhere: what is looked for is a few hundredths.
pub(super) const PAIRS: usize = 9;
const WITH: &[(&str, &str)] = &[];
const WITHOUT: &[(&str, &str)] = &[("KEEPSAKE_MEASURE_WITHOUT_PROOF", "1")];

pub(super) async fn measure(bench: &Bench, history: &mut History, spec: &Spec) -> anyhow::Result<Row> {
    let mut rounds = Rounds::default();
    for number in 1..=PAIRS {
        let (ours, limit) = (&mut rounds.ours, &mut rounds.limit);
        let mut pair = [("with", WITH, ours), ("without", WITHOUT, limit)];
        // Whatever grows from one rebuild to the next falls on both alike.
        if number % 2 == 0 {
            pair.reverse();
        }
        for (which, settings, seconds) in pair {
            let label = format!("{} {number}/{PAIRS} {which} proof", spec.name);
            seconds.push(history.cpu_seconds(bench, settings, &label).await?);
        }
    }
    let what = format!(
        "processor time of the worker process, its own and the kernel's for it, from its start until everything is folded; {}; \
         limit = the same without the proof",
        describe()
    );
    Ok(Row::new(spec.name, "CPU s/100,000", &rounds, conditions_of_folding(PAIRS, &what)))
}
