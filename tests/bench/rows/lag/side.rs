//! One of the two that are compared: who takes commands, and where their rows appear.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use super::poller::Poller;
use crate::bench::{Bench, WARM_UP};
use crate::contestant::Contestant;
use crate::contestant::noted::Noted;
use crate::field::OWNERS;
use crate::figures::{ms, percentile};
use crate::load::{Load, Window, round};
use crate::site::Site;

/// Commands a second.
pub(super) const RATE: f64 = 200.0;
const UNDER_WAY: usize = 64;

pub(super) struct Side {
    noted: Arc<Noted>,
    stream: &'static str,
    poller: Poller,
}

/// From accepted to visible.
pub(super) struct Lag {
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) missing: usize,
}

impl Side {
    /// What `contestant` stores in `stream` becomes visible in `table`.
    pub(super) async fn new(
        site: &Site,
        contestant: impl Contestant + 'static,
        stream: &'static str,
        table: &str,
    ) -> anyhow::Result<Self> {
        let poller = Poller::start(site.read_admin().await, table).await?;
        Ok(Self { noted: Arc::new(Noted::new(contestant)), stream, poller })
    }

    pub(super) async fn lag(&self, bench: &Bench, site: &Site, timed: Duration, label: &str) -> anyhow::Result<Lag> {
        bench.progress.measuring(label);
        let load = Load { clients: site.connections(UNDER_WAY), callers: UNDER_WAY, turns: round(UNDER_WAY, OWNERS) };
        let contestant: Arc<dyn Contestant> = Arc::<Noted>::clone(&self.noted);
        let window = Window::from_now(WARM_UP, timed);
        let stored = async || site.last_position_of(self.stream).await;
        let sending = bench.open(window, &load, &contestant, RATE, stored);
        let (sample, watch) = self.poller.watch(&self.noted, sending).await?;
        let took = watch.took_micros(window.opens, window.closes);
        let of_thousand = |permille| percentile(&took, permille).map(ms).context("nothing was seen");
        let (p50_ms, p99_ms, missing) = (of_thousand(500)?, of_thousand(990)?, watch.missing());
        bench.progress.measured(&format!(
            "{label}: visible after p50 {p50_ms:.2} ms, p99 {p99_ms:.2} ms, missing: {missing}; answered: {sample}"
        ));
        Ok(Lag { p50_ms, p99_ms, missing })
    }
}
