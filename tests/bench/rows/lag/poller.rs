//! Sees when rows can be read: asks again and again, on a connection of its own, for those whose commands were accepted.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;
use tokio_postgres::{Client, Statement};

use crate::contestant::noted::{Note, Noted};
use crate::figures::micros;

pub(super) const ASKS_EVERY: Duration = Duration::from_millis(2);
/// After the last command; what is not there by then is missing.
const PATIENCE: Duration = Duration::from_secs(30);
/// The plan is kept, however small the table was when it was made.
const SESSION: &str = "SET enable_seqscan = off";

pub(super) struct Poller {
    database: Client,
    visible: Statement,
}

/// What became of the rows of accepted commands.
#[derive(Default)]
pub(super) struct Watch {
    /// By position, since when they are waited for.
    waiting: BTreeMap<i64, Instant>,
    /// When the command was accepted, and how many microseconds later its row was there.
    seen: Vec<(Instant, u32)>,
}

impl Poller {
    pub(super) async fn start(database: Client, table: &str) -> anyhow::Result<Self> {
        database.batch_execute(SESSION).await?;
        let visible = format!("SELECT position FROM {table} WHERE position = ANY ($1::bigint[])");
        Ok(Self { visible: database.prepare(&visible).await?, database })
    }

    /// Watches while `load` lasts, and then until nothing is waited for any more.
    pub(super) async fn watch<T>(
        &self,
        noted: &Noted,
        load: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<(T, Watch)> {
        let mut watch = Watch::default();
        let mut looks = tokio::time::interval(ASKS_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut load = pin!(load);
        let done = loop {
            tokio::select! {
                done = &mut load => break done?,
                _ = looks.tick() => self.look(noted, &mut watch).await?,
            }
        };
        let give_up = Instant::now() + PATIENCE;
        self.look(noted, &mut watch).await?;
        while !watch.waiting.is_empty() && Instant::now() < give_up {
            looks.tick().await;
            self.look(noted, &mut watch).await?;
        }
        Ok((done, watch))
    }

    async fn look(&self, noted: &Noted, watch: &mut Watch) -> anyhow::Result<()> {
        let accepted = noted.take().into_iter();
        watch.waiting.extend(accepted.map(|Note { position, at }| (position.cast_signed(), at)));
        if watch.waiting.is_empty() {
            return Ok(());
        }
        let waiting: Vec<i64> = watch.waiting.keys().copied().collect();
        let rows = self.database.query(&self.visible, &[&waiting]).await?;
        let now = Instant::now();
        for row in rows {
            if let Some(since) = watch.waiting.remove(&row.try_get(0)?) {
                watch.seen.push((since, micros(now - since)));
            }
        }
        Ok(())
    }
}

impl Watch {
    /// Microseconds of what was accepted between these instants, ascending.
    pub(super) fn took_micros(&self, opens: Instant, closes: Instant) -> Vec<u32> {
        let counts = |(since, _): &&(Instant, u32)| (opens..closes).contains(since);
        let mut took: Vec<u32> = self.seen.iter().filter(counts).map(|(_, took)| *took).collect();
        took.sort_unstable();
        took
    }

    /// Accepted, and never seen.
    pub(super) fn missing(&self) -> usize {
        self.waiting.len()
    }
}
