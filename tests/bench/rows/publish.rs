//! `publish.lag`: how long after its answer a command's event is told to subscribers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::StreamExt as _;
use proto::subject::{LOG_STREAM, PUBLISHED_SUBJECTS};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::Spec;
use crate::bench::{Bench, ROUNDS, WARM_UP, conditions_of_folding};
use crate::contestant::Contestant;
use crate::contestant::command::Commands;
use crate::contestant::noted::{Note, Noted};
use crate::field::OWNERS;
use crate::figures::{micros, ms, percentile};
use crate::folding::Folding;
use crate::load::{Load, Window, round};
use crate::row::{Rounds, Row};
use crate::site::Site;

/// Commands a second, as in `lag`.
const RATE: f64 = 200.0;
const UNDER_WAY: usize = 64;
const LONGER: u32 = 3;
const AT_LEAST: Duration = Duration::from_secs(5);
/// After the last command; what is not told by then is missing.
const PATIENCE: Duration = Duration::from_secs(30);

/// An event as a subscriber hears it: of which commit, and when.
type Heard = (u64, Instant);

pub(super) async fn measure(bench: &Bench, spec: &Spec) -> anyhow::Result<Row> {
    let mut folding = Folding::start().await?;
    folding.register(OWNERS, &bench.progress).await?;
    folding.site.start_folding().await;
    folding.site.everything_is_folded(&bench.progress).await?;
    // The backlog of registrations is told first.
    folding.site.everything_is_published(&bench.progress).await?;
    let (tell, mut heard) = mpsc::unbounded_channel();
    let subscriber = folding.site.client().subscribe(PUBLISHED_SUBJECTS).await?;
    let _listening = AbortOnDropHandle::new(tokio::spawn(listen(subscriber, tell)));
    let timed = AT_LEAST.max(bench.timed * LONGER);
    let (mut rounds, mut missing) = (Rounds::default(), 0);
    for number in 1..=ROUNDS {
        let label = format!("{} {number}/{ROUNDS}", spec.name);
        let (took, lost) = lag(bench, &folding.site, timed, &label, &mut heard).await?;
        let of_thousand = |permille| percentile(&took, permille).map(ms).context("nothing was told");
        let (p50_ms, p99_ms) = (of_thousand(500)?, of_thousand(990)?);
        bench
            .progress
            .measured(&format!("{label}: told after p50 {p50_ms:.2} ms, p99 {p99_ms:.2} ms, missing: {lost}"));
        rounds.ours.push(p50_ms);
        rounds.p99_ms.push(p99_ms);
        missing += lost;
    }
    let what = format!(
        "ms from an accepted reply to its published event, as a subscriber of {PUBLISHED_SUBJECTS} hears it; an open loop of {RATE} \
         commands/s on {OWNERS} guests for {timed:?}, while the read models are folded"
    );
    let row = Row::new(spec.name, "ms", &rounds, conditions_of_folding(ROUNDS, &what));
    Ok(Row { missing: Some(u32::try_from(missing)?), ..row })
}

async fn listen(mut subscriber: async_nats::Subscriber, tell: mpsc::UnboundedSender<Heard>) -> anyhow::Result<()> {
    while let Some(message) = subscriber.next().await {
        let at = Instant::now();
        let event: Value = serde_json::from_slice(&message.payload)?;
        tell.send((proto::token::read(event["position"].as_str().context("no position")?)?, at))?;
    }
    Ok(())
}

/// Microseconds each accepted command of the window took, ascending, and how many were never told.
async fn lag(
    bench: &Bench,
    site: &Site,
    timed: Duration,
    label: &str,
    heard: &mut mpsc::UnboundedReceiver<Heard>,
) -> anyhow::Result<(Vec<u32>, usize)> {
    bench.progress.measuring(label);
    let load = Load { clients: site.connections(UNDER_WAY), callers: UNDER_WAY, turns: round(UNDER_WAY, OWNERS) };
    let noted = Arc::new(Noted::new(Commands::record(0..OWNERS)));
    let contestant: Arc<dyn Contestant> = Arc::<Noted>::clone(&noted);
    let window = Window::from_now(WARM_UP, timed);
    let stored = async || site.last_position_of(LOG_STREAM).await;
    bench.open(window, &load, &contestant, RATE, stored).await?;
    let accepted = noted.take();
    let mut told: HashMap<u64, Instant> = HashMap::new();
    let hearing = async {
        while !accepted.iter().all(|note| told.contains_key(&note.position)) {
            let Some((position, at)) = heard.recv().await else { break };
            told.insert(position, at);
        }
    };
    // What is missing is counted below.
    let _in_time = tokio::time::timeout(PATIENCE, hearing).await;
    let of_window = |note: &&Note| (window.opens..window.closes).contains(&note.at);
    // An event may be heard before its command is answered.
    let took = |note: &Note| told.get(&note.position).map(|at| micros(at.saturating_duration_since(note.at)));
    let mut micros: Vec<u32> = accepted.iter().filter(of_window).filter_map(took).collect();
    micros.sort_unstable();
    Ok((micros, accepted.iter().filter(|note| !told.contains_key(&note.position)).count()))
}
