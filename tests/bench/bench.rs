//! What every measurement has in common: its length, its rounds, its servers, where its results go.

use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;

use crate::contestant::Contestant;
use crate::contestant::http::OverHttp;
use crate::load::{self, Load, Sample, Window};
use crate::progress::Progress;
use crate::results::Results;
use crate::row::Row;
use crate::site::Site;
use crate::table;

pub(crate) const ROUNDS: usize = 3;
pub(crate) const WARM_UP: Duration = Duration::from_millis(500);

pub(crate) struct Bench {
    pub(crate) timed: Duration,
    /// Guests of the larger of two sites.
    pub(crate) guests: usize,
    pub(crate) progress: Progress,
    rows: Vec<Row>,
    results: Results,
}

impl Bench {
    pub(crate) fn new(timed: Duration, guests: usize, measurements: usize) -> anyhow::Result<Self> {
        let progress = Progress::start(measurements as u64);
        Ok(Self { timed, guests, progress, rows: Vec::new(), results: Results::read()? })
    }

    /// Measures a closed loop.
    pub(crate) async fn closed(
        &self,
        site: &Site,
        load: &Load,
        contestant: &Arc<dyn Contestant>,
    ) -> anyhow::Result<Sample> {
        let window = Window::from_now(WARM_UP, self.timed);
        self.checked(async || site.last_position().await, load::closed(load, contestant, window)).await
    }

    /// Measures a closed loop over HTTP; `stored` counts the commits of the contestant.
    pub(crate) async fn closed_over_http(
        &self,
        callers: usize,
        owners: usize,
        contestant: &Arc<dyn OverHttp>,
        stored: impl AsyncFn() -> anyhow::Result<u64>,
    ) -> anyhow::Result<Sample> {
        let (window, turns) = (Window::from_now(WARM_UP, self.timed), load::round(callers, owners));
        self.checked(stored, load::closed_over_http(callers, &turns, contestant, window)).await
    }

    /// Measures a closed loop of reads over HTTP.
    pub(crate) async fn reads(
        &self,
        callers: usize,
        owners: usize,
        contestant: &Arc<dyn OverHttp>,
    ) -> anyhow::Result<Sample> {
        let (window, turns) = (Window::from_now(WARM_UP, self.timed), load::round(callers, owners));
        load::closed_over_http(callers, &turns, contestant, window).await
    }

    /// Measures an open loop of `rate` requests a second; `stored` counts the commits of the contestant.
    pub(crate) async fn open(
        &self,
        window: Window,
        load: &Load,
        contestant: &Arc<dyn Contestant>,
        rate: f64,
        stored: impl AsyncFn() -> anyhow::Result<u64>,
    ) -> anyhow::Result<Sample> {
        self.checked(stored, load::open(load, contestant, window, rate)).await
    }

    /// Nothing counts that is not stored.
    async fn checked(
        &self,
        count: impl AsyncFn() -> anyhow::Result<u64>,
        measuring: impl Future<Output = anyhow::Result<Sample>>,
    ) -> anyhow::Result<Sample> {
        let before = count().await?;
        let sample = measuring.await?;
        let stored = count().await? - before;
        let accepted = sample.accepted;
        ensure!(stored >= accepted, "{accepted} requests were accepted and only {stored} commits stored");
        Ok(sample)
    }

    /// What a row of this run says of us.
    pub(crate) fn figure_of(&self, name: &str) -> Option<f64> {
        self.rows.iter().find(|row| row.name == name).and_then(|row| row.ours)
    }

    pub(crate) fn finish(&mut self, row: Row) -> anyhow::Result<()> {
        self.results.put(&row)?;
        self.rows.push(row);
        Ok(())
    }

    /// Prints the table.
    pub(crate) fn report(&self) {
        self.progress.finish();
        println!("\n{}\n{}", table::render(&self.rows), self.results.file().display());
    }
}

/// Under what conditions a row was measured, as a sentence.
pub(crate) fn conditions(bench: &Bench, site: &Site, what: &str) -> String {
    let servers =
        if site.servers == 1 { "one nats-server".to_owned() } else { format!("{} nats-servers", site.servers) };
    format!(
        "median of {ROUNDS} rounds, {what}; {:?} each after {WARM_UP:?} of warm-up, contestants in turn; {} cores for \
         callers, service, {servers} and Postgres together; fsync before every answer",
        bench.timed,
        cores()
    )
}

/// The same of read models that are folded.
pub(crate) fn conditions_of_folding(rounds: usize, what: &str) -> String {
    format!(
        "median of {rounds} rounds, {what}; contestants in turn; {} cores for worker, bench, one nats-server and Postgres \
         together; fsync before every answer and every commit of Postgres",
        cores()
    )
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
