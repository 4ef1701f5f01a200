//! `intake.drain`: how fast a backlog of the durable intake is carried out, beside callers who wait for their answers.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use async_nats::Subject;
use event_log::intake;
use proto::subject::CommandSubject;

use super::Spec;
use super::closed::figure_of;
use crate::atomic::{self, BATCH};
use crate::bench::{Bench, ROUNDS, conditions};
use crate::contestant::command::{Commands, TENANT};
use crate::contestant::{Contestant as _, Request};
use crate::field::{Field, OWNERS};
use crate::figures;
use crate::progress::Progress;
use crate::row::{Rounds, Row};
use crate::site::Site;

const BACKLOG: usize = 200_000;
const COMPARED_TO: &str = "command.c1000";
const CALLERS: usize = 1_000;
/// What is carried out before the clock starts: the service has to take hold of the intake first.
const WARM_UP: u64 = 10_000;
const LOOK_EVERY: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_mins(5);

pub(super) async fn measure(bench: &Bench, site: &mut Site, field: &Field, spec: &Spec) -> anyhow::Result<Row> {
    let waited_for = figure_of(bench, site, field, COMPARED_TO, CALLERS).await?;
    let mut rounds = Rounds::default();
    for number in 1..=ROUNDS {
        let label = format!("{} {number}/{ROUNDS}", spec.name);
        site.stop_service().await;
        fill(site, &bench.progress).await?;
        bench.progress.measuring(&label);
        let before = site.last_position().await?;
        site.start_service().await;
        let rate = tokio::time::timeout(PATIENCE, drain(site)).await.context("the backlog was not carried out")??;
        let stored = site.last_position().await? - before;
        ensure!(stored >= BACKLOG as u64, "{BACKLOG} commands were taken and only {stored} commits stored");
        bench.progress.measured(&format!("{label}: {rate:.0}/s"));
        rounds.ours.push(rate);
        rounds.limit.push(waited_for);
    }
    let what = format!(
        "a backlog of {BACKLOG} commands on {OWNERS} guests, each with its verdict stored and its command removed; limit = \
         {COMPARED_TO} of this run"
    );
    Ok(Row::new(spec.name, "commands/s", &rounds, conditions(bench, site, &what)))
}

/// Puts the backlog into the intake, in atomic batches.
async fn fill(site: &Site, progress: &Progress) -> anyhow::Result<()> {
    let filling = progress.filling("filling the intake", BACKLOG as u64);
    let commands = Commands::record(0..OWNERS);
    let subject = format!("cmd.{TENANT}.interactions.record");
    let subject = Subject::from(CommandSubject::parse(&subject)?.durable());
    for first in (0..BACKLOG).step_by(BATCH) {
        let requests = (first..first + BATCH).map(|number| {
            let request = commands.request(number % OWNERS);
            Request { subject: subject.clone(), ..request }
        });
        let answer = atomic::store(site.client(), requests).await?;
        let answer = String::from_utf8_lossy(&answer.payload).into_owned();
        ensure!(!answer.contains("\"error\""), "the intake refused a batch: {answer}");
        filling.done().fetch_add(BATCH as u64, std::sync::atomic::Ordering::Relaxed);
    }
    Ok(())
}

/// Commands per second, from the end of the warm-up to the empty intake.
async fn drain(site: &Site) -> anyhow::Result<f64> {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    let mut began = None;
    loop {
        looks.tick().await;
        let (waiting, now) = (intake::info(site.client()).await?.waiting, Instant::now());
        match began {
            None if waiting + WARM_UP <= BACKLOG as u64 => began = Some((waiting, now)),
            Some((at_first, since)) if waiting == 0 => {
                return Ok(figures::count(usize::try_from(at_first)?) / (now - since).as_secs_f64());
            }
            None | Some(_) => {}
        }
    }
}
