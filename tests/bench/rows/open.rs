//! `command.open70`: commands come at a fixed rate, whether the last ones are answered or not.

use super::Spec;
use super::closed::figure_of;
use crate::bench::{Bench, ROUNDS, WARM_UP, conditions};
use crate::field::{Field, OWNERS};
use crate::load::{Load, Window, round};
use crate::row::{Rounds, Row};
use crate::site::Site;

const COMPARED_TO: &str = "command.c256";
const COMPARED_CALLERS: usize = 256;
const SHARE: f64 = 0.7;
/// Commands that may be under way; one that is due beyond them waits, and its wait counts.
const UNDER_WAY: usize = 1_000;

pub(super) async fn measure(bench: &Bench, site: &Site, field: &Field, spec: &Spec) -> anyhow::Result<Row> {
    let due = SHARE * figure_of(bench, site, field, COMPARED_TO, COMPARED_CALLERS).await?;
    let load = Load { clients: site.connections(UNDER_WAY), callers: UNDER_WAY, turns: round(UNDER_WAY, OWNERS) };
    let mut rounds = Rounds::default();
    for number in 1..=ROUNDS {
        let label = format!("{} {number}/{ROUNDS}", spec.name);
        bench.progress.measuring(&label);
        let sample = bench
            .open(Window::from_now(WARM_UP, bench.timed), &load, &field.ours, due, async || site.last_position().await)
            .await?;
        let pause = sample.longest_pause_ms;
        bench.progress.measured(&format!("{label}: {sample}, longest pause {pause:.1} ms"));
        rounds.ours.push(sample.rate);
        rounds.limit.push(due);
        rounds.p50_ms.extend(sample.percentile_ms(500));
        rounds.p99_ms.extend(sample.percentile_ms(990));
        rounds.p999_ms.extend(sample.percentile_ms(999));
        rounds.longest_pause_ms.push(pause);
    }
    let what = format!(
        "open loop at {:.0} % of {COMPARED_TO} of this run, latency from the instant a command was due, at most {UNDER_WAY} \
         under way, commits of {} bytes; limit = the rate that was due",
        SHARE * 100.0,
        field.payload_bytes
    );
    Ok(Row::new(spec.name, "commands/s", &rounds, conditions(bench, site, &what)))
}
