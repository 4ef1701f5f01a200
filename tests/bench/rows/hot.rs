//! `command.hot`: everybody wants the same guest, whose commands are carried out one after the other.

use super::Spec;
use super::closed::figure_of;
use crate::bench::{Bench, ROUNDS, conditions};
use crate::field::Field;
use crate::load::{Load, one};
use crate::row::{Rounds, Row};
use crate::site::Site;

const CALLERS: usize = 64;
/// What one caller reaches on many guests; there is nothing to share a turn with here either.
const COMPARED_TO: &str = "command.c1";
const GUEST: usize = 0;

pub(super) async fn measure(bench: &Bench, site: &Site, field: &Field, spec: &Spec) -> anyhow::Result<Row> {
    let alone = figure_of(bench, site, field, COMPARED_TO, 1).await?;
    let load = Load { clients: site.connections(CALLERS), callers: CALLERS, turns: one(GUEST) };
    let mut rounds = Rounds::default();
    for number in 1..=ROUNDS {
        let label = format!("{} {number}/{ROUNDS}", spec.name);
        bench.progress.measuring(&label);
        let sample = bench.closed(site, &load, &field.ours).await?;
        bench.progress.measured(&format!("{label}: {sample}"));
        rounds.ours.push(sample.rate);
        rounds.limit.push(alone);
        rounds.p50_ms.extend(sample.percentile_ms(500));
        rounds.p99_ms.extend(sample.percentile_ms(990));
    }
    let what = format!(
        "{CALLERS} callers on one guest, commits of {} bytes; limit = {COMPARED_TO} of this run",
        field.payload_bytes
    );
    Ok(Row::new(spec.name, "commands/s", &rounds, conditions(bench, site, &what)))
}
