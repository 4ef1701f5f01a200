//! `load.cold.*`: the first command on a guest by a service that has just started, however long the guest's history is.

mod herd;

use super::{Kind, Spec};
use crate::bench::{Bench, ROUNDS, conditions};
use crate::figures::median;
use crate::row::{Rounds, Row};
use crate::site::Site;
use herd::{Herd, Warmers};

/// What longer histories are compared to.
const SHORTEST: usize = 10;

/// What the rounds showed of one size.
struct Size<'a> {
    /// `None` when it is measured for the comparison alone.
    spec: Option<&'a Spec>,
    herd: Herd,
    rounds: Rounds,
}

/// Measures every wanted size after each restart.
pub(super) async fn measure(bench: &mut Bench, site: &mut Site, wanted: &[&Spec]) -> anyhow::Result<()> {
    let mut sizes = sizes(bench, site, wanted).await?;
    if sizes.is_empty() {
        return Ok(());
    }
    let warmers = Warmers::register(site).await?;
    for number in 1..=ROUNDS {
        bench.progress.measuring(&format!("load.cold {number}/{ROUNDS}: restarting the service"));
        site.restart_service().await;
        warmers.record(site, bench).await?;
        for Size { spec, herd, rounds } in &mut sizes {
            let (ours, raw) = herd.first_commands(site).await?;
            let said = format!("load.cold.{} {number}/{ROUNDS}: {ours:.2} ms, Direct Get {raw:.2} ms", herd.events);
            match spec {
                Some(_) => bench.progress.measured(&said),
                None => bench.progress.say(&said),
            }
            rounds.ours.push(ours);
            rounds.limit.push(raw);
        }
    }
    let shortest = sizes[0].rounds.ours.clone();
    for Size { spec, herd, rounds } in &sizes {
        let Some(spec) = spec else { continue };
        let times: Vec<f64> = rounds.ours.iter().zip(&shortest).map(|(ours, shortest)| ours / shortest).collect();
        let row = Row::new(spec.name, "ms", rounds, conditions(bench, site, &herd.describe()));
        let row = Row { times_load_cold_10: median(&times), ..row };
        bench.finish(row.held_to(spec.must))?;
    }
    Ok(())
}

/// The sizes of the wanted rows, the shortest first and in any case.
async fn sizes<'a>(bench: &Bench, site: &Site, wanted: &[&'a Spec]) -> anyhow::Result<Vec<Size<'a>>> {
    let cold = |spec: &&'a Spec| {
        let Kind::Cold(events) = spec.kind else { return None };
        Some((events, Some(*spec)))
    };
    let mut wanted: Vec<(usize, Option<&'a Spec>)> = wanted.iter().filter_map(cold).collect();
    if wanted.first().is_some_and(|(events, _)| *events != SHORTEST) {
        wanted.insert(0, (SHORTEST, None));
    }
    let mut sizes = Vec::new();
    for (events, spec) in wanted {
        let herd = Herd::with_history(site, events, &bench.progress).await?;
        sizes.push(Size { spec, herd, rounds: Rounds::default() });
    }
    Ok(sizes)
}
