//! `command.old`: guests with a long past, every command of which is remembered, beside guests without one.

use std::ops::Range;
use std::sync::Arc;

use super::Spec;
use super::closed::rate_of;
use crate::bench::{Bench, ROUNDS, conditions};
use crate::contestant::Contestant;
use crate::contestant::command::Commands;
use crate::field::{OWNERS, fill, fill_with};
use crate::load::{Load, Turns};
use crate::row::{Rounds, Row};
use crate::site::Site;

const CALLERS: usize = 64;
/// Earlier commands of each old guest.
const EARLIER: usize = 10_000;
const YOUNG: Range<usize> = 0..OWNERS;
/// One for each caller.
const OLD: Range<usize> = OWNERS..OWNERS + CALLERS;

/// On a site of its own: the workers that fold what is old could not open the copies that other contestants store.
pub(super) async fn measure(bench: &Bench, spec: &Spec) -> anyhow::Result<Row> {
    let mut site = Site::start(spec.servers).await?;
    site.start_folding().await;
    let young = registered(bench, &site, YOUNG).await?;
    let old = registered(bench, &site, OLD).await?;
    let earlier: Turns = Arc::new(|caller, turn| (turn < EARLIER as u64).then_some(caller));
    let load = Load { clients: site.connections(CALLERS), callers: CALLERS, turns: earlier };
    let what = format!("making {EARLIER} earlier commands for each of {CALLERS} guests");
    fill_with(&load, &old, CALLERS * EARLIER, &what, &bench.progress).await?;
    site.everything_is_folded(&bench.progress).await?;

    let mut rounds = Rounds::default();
    for number in 1..=ROUNDS {
        let label = |whose: &str| format!("{} {number}/{ROUNDS} {whose} guests", spec.name);
        let ours = rate_of(bench, &site, CALLERS, OLD.len(), &old, &label("old")).await?;
        rounds.ours.push(ours.rate);
        rounds.p50_ms.extend(ours.percentile_ms(500));
        rounds.p99_ms.extend(ours.percentile_ms(990));
        rounds.limit.push(rate_of(bench, &site, CALLERS, YOUNG.len(), &young, &label("young")).await?.rate);
    }
    let what = format!(
        "{CALLERS} callers, each on one guest with {EARLIER} earlier commands; limit = {CALLERS} callers on {OWNERS} guests with \
         hardly any; the read models are folded meanwhile"
    );
    Ok(Row::new(spec.name, "commands/s", &rounds, conditions(bench, &site, &what)))
}

/// Registers the guests of these numbers, and answers who records their interactions.
async fn registered(bench: &Bench, site: &Site, guests: Range<usize>) -> anyhow::Result<Arc<dyn Contestant>> {
    let register: Arc<dyn Contestant> = Arc::new(Commands::register(guests.clone()));
    fill(site, &register, guests.len(), "registering guests", &bench.progress).await?;
    Ok(Arc::new(Commands::record(guests)))
}
