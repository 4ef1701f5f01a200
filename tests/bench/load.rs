//! The load generator, the same for every contestant: callers over connections, closed or open loop.

mod connection;
mod http;
mod sample;
mod schedule;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use async_nats::Client;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::contestant::Contestant;
use crate::contestant::http::OverHttp;
use connection::{Connection, Heard};
use http::Caller;
pub(crate) use sample::Sample;

/// How long the last answers may take once nobody asks any more.
const DRAIN: Duration = Duration::from_secs(15);
/// Longer than any filling.
const PATIENCE: Duration = Duration::from_mins(30);

/// Which owner a caller's n-th request is about; `None` when the caller has no more to ask.
pub(crate) type Turns = Arc<dyn Fn(usize, u64) -> Option<usize> + Send + Sync>;

/// Who asks, how, and about whom.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) clients: Vec<Client>,
    pub(crate) callers: usize,
    pub(crate) turns: Turns,
}

/// When requests are sent, and which of them count.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    pub(crate) starts: Instant,
    pub(crate) opens: Instant,
    pub(crate) closes: Instant,
}

impl Window {
    pub(crate) fn from_now(warm_up: Duration, timed: Duration) -> Self {
        let starts = Instant::now();
        Self { starts, opens: starts + warm_up, closes: starts + warm_up + timed }
    }
}

/// Each caller asks again as soon as it is answered.
pub(crate) async fn closed(load: &Load, contestant: &Arc<dyn Contestant>, window: Window) -> anyhow::Result<Sample> {
    let heard = run(load, contestant, window, &Arc::default(), |connection| connection.closed(window.closes)).await?;
    Ok(Sample::by_answer(window, heard))
}

/// The same over HTTP, where each caller has a connection of its own.
pub(crate) async fn closed_over_http(
    callers: usize,
    turns: &Turns,
    contestant: &Arc<dyn OverHttp>,
    window: Window,
) -> anyhow::Result<Sample> {
    let mut connections = JoinSet::new();
    for number in 0..callers {
        let (turns, contestant) = (Arc::clone(turns), Arc::clone(contestant));
        let caller = Caller { number, turns, contestant, started: window.starts };
        connections.spawn(caller.closed(window.closes));
    }
    Ok(Sample::by_answer(window, heard(connections, window).await?))
}

/// `rate` requests a second whatever becomes of them; latency counts from the instant a request was due.
pub(crate) async fn open(
    load: &Load,
    contestant: &Arc<dyn Contestant>,
    window: Window,
    rate: f64,
) -> anyhow::Result<Sample> {
    let (lanes, mut due): (Vec<_>, Vec<_>) = load.clients.iter().map(|_| mpsc::unbounded_channel()).unzip();
    let schedule = tokio::task::spawn_blocking(move || schedule::keep(window, rate, &lanes));
    let heard = run(load, contestant, window, &Arc::default(), |connection| {
        let due = due.pop().expect("one lane for each connection");
        connection.open(due)
    })
    .await?;
    schedule.await.context("the schedule was not kept")?;
    Ok(Sample::by_schedule(window, heard))
}

/// Every caller asks until it has no more turns; `done` counts along. Answers how many were accepted.
pub(crate) async fn fill(load: &Load, contestant: &Arc<dyn Contestant>, done: &Arc<AtomicU64>) -> anyhow::Result<u64> {
    let window = Window::from_now(Duration::ZERO, PATIENCE);
    run(load, contestant, window, done, |connection| connection.closed(window.closes)).await?;
    Ok(done.load(Ordering::Relaxed))
}

async fn run<F>(
    load: &Load,
    contestant: &Arc<dyn Contestant>,
    window: Window,
    done: &Arc<AtomicU64>,
    mut ask: impl FnMut(Connection) -> F,
) -> anyhow::Result<Vec<Heard>>
where
    F: Future<Output = anyhow::Result<Heard>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    for first in 0..load.clients.len() {
        let connection = Connection::new(load, first, Arc::clone(contestant), window.starts, Arc::clone(done)).await?;
        connections.spawn(ask(connection));
    }
    heard(connections, window).await
}

/// What all of them heard, once the last one has its last answer.
async fn heard(mut connections: JoinSet<anyhow::Result<Heard>>, window: Window) -> anyhow::Result<Vec<Heard>> {
    let all = async {
        let mut heard = Vec::new();
        while let Some(connection) = connections.join_next().await {
            heard.push(connection.context("a caller panicked")??);
        }
        Ok(heard)
    };
    let late = "a request was never answered";
    tokio::time::timeout_at((window.closes + DRAIN).into(), all).await.context(late)?
}

/// Callers share the owners between them, each going round its own, from anywhere on.
pub(crate) fn round(callers: usize, owners: usize) -> Turns {
    let start = runtime::clock::random_id().as_u64_pair().0 >> 1;
    Arc::new(move |caller, turn| Some(nth(callers, caller, (start + turn) % share(callers, owners, caller))))
}

/// Each owner once.
pub(crate) fn once(callers: usize, owners: usize) -> Turns {
    Arc::new(move |caller, turn| (turn < share(callers, owners, caller)).then(|| nth(callers, caller, turn)))
}

/// All callers ask for one owner.
pub(crate) fn one(owner: usize) -> Turns {
    Arc::new(move |_, _| Some(owner))
}

fn share(callers: usize, owners: usize, caller: usize) -> u64 {
    (owners - caller).div_ceil(callers) as u64
}

fn nth(callers: usize, caller: usize, turn: u64) -> usize {
    caller + callers * usize::try_from(turn).unwrap_or_default()
}
