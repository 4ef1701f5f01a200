//! A site whose read models are folded when the benchmark says so, each time by a worker process that has just started.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use keepsake_tests::harness::rewind;
use tokio_postgres::Client;

use crate::by_hand;
use crate::contestant::Contestant;
use crate::contestant::command::Commands;
use crate::cpu;
use crate::deed::{Active, Deed};
use crate::field::fill_with;
use crate::load::{Load, once};
use crate::progress::Progress;
use crate::site::Site;
use crate::span::Span;

/// The read models that are made anew; all others stay where they are.
pub(crate) const MADE_ANEW: [&str; 3] = ["profile", "interaction", "topic_summary"];
/// The schema of our read models.
pub(crate) const OURS: &str = "read";
/// As many as the service takes commands from at once.
const CALLERS: usize = 1_000;
const LOOK_EVERY: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_mins(10);

const APPLIED: &str = "SELECT sum(applied)::bigint FROM keepsake.checkpoint WHERE projection = 'interaction'";
/// A publisher that works through the same commits for the first time would have its part of the cores.
const NO_ERRANDS: (&str, &str) = ("KEEPSAKE_ERRANDS", "0");
const LANES: &str = "SELECT count(*)::smallint FROM keepsake.lane";
/// A worker that was killed would keep its part of the lanes for the seconds its lease still runs.
const FORGET_WORKERS: &str = "DELETE FROM keepsake.worker";
/// What Postgres would do by itself some time, and should not in the middle of a measurement.
const TIDY: [&str; 2] = ["VACUUM (ANALYZE)", "CHECKPOINT"];

pub(crate) struct Folding {
    pub(crate) site: Site,
    admin: Client,
}

impl Folding {
    /// Nobody is folding yet.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let site = Site::start_durable().await?;
        let admin = site.read_admin().await;
        by_hand::prove(&admin).await?;
        Ok(Self { site, admin })
    }

    /// Registers guests, over the same door as anybody.
    pub(crate) async fn register(&self, guests: usize, progress: &Progress) -> anyhow::Result<()> {
        self.tell(Commands::register(0..guests), guests, "registering guests", progress).await
    }

    /// Records the deeds of these numbers.
    pub(crate) async fn record(&self, deeds: Range<usize>, by: Active, progress: &Progress) -> anyhow::Result<()> {
        let numbers = deeds.clone().map(|number| Deed::nth(number, by));
        self.tell(Commands::record_deeds(numbers), deeds.len(), "recording interactions", progress).await
    }

    /// Records these deeds.
    pub(crate) async fn record_these(&self, deeds: Vec<Deed>, progress: &Progress) -> anyhow::Result<()> {
        let number = deeds.len();
        self.tell(Commands::record_deeds(deeds.into_iter()), number, "recording interactions", progress).await
    }

    async fn tell(&self, commands: Commands, number: usize, what: &str, progress: &Progress) -> anyhow::Result<()> {
        let callers = CALLERS.min(number);
        let load = Load { clients: self.site.connections(callers), callers, turns: once(callers, number) };
        let commands: Arc<dyn Contestant> = Arc::new(commands);
        fill_with(&load, &commands, number, what, progress).await
    }

    pub(crate) fn admin(&mut self) -> &mut Client {
        &mut self.admin
    }

    /// Folds all there is.
    pub(crate) async fn catch_up(&mut self, progress: &Progress) -> anyhow::Result<()> {
        self.site.start_folding_with(&[NO_ERRANDS]).await;
        let folded = self.site.everything_is_folded(progress).await;
        self.end_worker().await?;
        folded
    }

    /// Commits of all kinds that are folded.
    pub(crate) async fn applied(&self) -> anyhow::Result<u64> {
        applied(&self.admin).await
    }

    pub(crate) async fn lanes(&self) -> anyhow::Result<u8> {
        let lanes: i16 = self.admin.query_one(LANES, &[]).await?.try_get(0)?;
        Ok(lanes.try_into()?)
    }

    /// Empties the read models that are made anew.
    pub(crate) async fn empty(&self) {
        rewind::empty(&self.admin, &MADE_ANEW).await;
    }

    /// Lets Postgres finish with what was written before.
    pub(crate) async fn tidy(&self) -> anyhow::Result<()> {
        for step in TIDY {
            self.admin.batch_execute(step).await?;
        }
        Ok(())
    }

    /// Commits per second of a new worker, from the first look past the warm-up until so many are folded in all.
    pub(crate) async fn rate_to(&mut self, commits: u64) -> anyhow::Result<f64> {
        self.tidy().await?;
        let span = Span::new(self.applied().await?, commits);
        let Self { site, admin } = self;
        let watching = tokio::time::timeout(PATIENCE, watch(admin, span));
        let (rate, ()) = tokio::join!(watching, site.start_folding_with(&[NO_ERRANDS]));
        self.end_worker().await?;
        rate.with_context(|| format!("{commits} commits were not folded"))?
    }

    /// Seconds of processor time a new worker spends, from its start until everything is folded.
    pub(crate) async fn cpu_seconds(&mut self, settings: &[(&str, &str)], progress: &Progress) -> anyhow::Result<f64> {
        self.tidy().await?;
        let settings: Vec<_> = settings.iter().copied().chain([NO_ERRANDS]).collect();
        self.site.start_folding_with(&settings).await;
        let folded = self.site.everything_is_folded(progress).await;
        let seconds = cpu::seconds(self.site.worker());
        self.end_worker().await?;
        folded.and(seconds)
    }

    /// Seconds of processor time everything on this machine spends while a new worker folds all there is.
    pub(crate) async fn busy_seconds(&mut self, progress: &Progress) -> anyhow::Result<f64> {
        self.tidy().await?;
        let before = cpu::busy_seconds()?;
        self.site.start_folding_with(&[NO_ERRANDS]).await;
        let folded = self.site.everything_is_folded(progress).await;
        let spent = cpu::busy_seconds()? - before;
        self.end_worker().await?;
        folded.map(|()| spent)
    }

    /// Nothing counts that is not in the tables of this schema, each interaction once.
    pub(crate) async fn check(&self, schema: &str, interactions: usize) -> anyhow::Result<()> {
        let counted = format!(
            "SELECT (SELECT count(*) FROM {schema}.interaction),
                    (SELECT sum(interaction_count)::bigint FROM {schema}.profile),
                    (SELECT sum(interaction_count)::bigint FROM {schema}.topic_summary)"
        );
        let row = self.admin.query_one(&counted, &[]).await?;
        for (table, counts) in ["interaction", "profile", "topic_summary"].into_iter().enumerate() {
            let counted: Option<i64> = row.try_get(table)?;
            let expected = i64::try_from(interactions)?;
            ensure!(counted == Some(expected), "{schema}.{counts} has {counted:?} interactions of {expected}");
        }
        Ok(())
    }

    async fn end_worker(&mut self) -> anyhow::Result<()> {
        self.site.stop_folding().await;
        self.admin.execute(FORGET_WORKERS, &[]).await?;
        Ok(())
    }
}

async fn applied(admin: &Client) -> anyhow::Result<u64> {
    let applied: Option<i64> = admin.query_one(APPLIED, &[]).await?.try_get(0)?;
    Ok(applied.unwrap_or_default().cast_unsigned())
}

async fn watch(admin: &Client, mut span: Span) -> anyhow::Result<f64> {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    loop {
        looks.tick().await;
        if let Some(rate) = span.seen(applied(admin).await?) {
            return Ok(rate);
        }
    }
}
