//! The limit of the log for many callers: atomic batches, one at a time, over one connection.

use std::time::{Duration, Instant};

use anyhow::ensure;
use async_nats::{Client, Message};
use proto::subject::LOG_STREAM;

use super::Contestant as _;
use super::raw::{Raw, position};
use crate::atomic::{self, BATCH};
use crate::figures;

/// The batch every owner is part of exactly once in a while.
pub(crate) struct Batches<'a> {
    client: &'a Client,
    raw: &'a Raw,
    sent: usize,
}

impl<'a> Batches<'a> {
    pub(crate) fn new(client: &'a Client, raw: &'a Raw) -> Self {
        Self { client, raw, sent: 0 }
    }

    /// Stores one commit for every owner.
    pub(crate) async fn fill(&mut self) -> anyhow::Result<()> {
        for _ in 0..self.raw.owners() / BATCH {
            self.batch().await?;
        }
        Ok(())
    }

    /// Commits per second over whole batches.
    pub(crate) async fn rate(&mut self, warm_up: Duration, timed: Duration) -> anyhow::Result<f64> {
        let started = Instant::now();
        while started.elapsed() < warm_up {
            self.batch().await?;
        }
        let (started, before) = (Instant::now(), self.sent);
        while started.elapsed() < timed {
            self.batch().await?;
        }
        Ok(figures::count((self.sent - before) * BATCH) / started.elapsed().as_secs_f64())
    }

    async fn batch(&mut self) -> anyhow::Result<()> {
        let first = self.sent * BATCH % self.raw.owners();
        let requests = (first..first + BATCH).map(|owner| self.raw.request(owner));
        let answer = atomic::store(self.client, requests).await?;
        self.sent += 1;
        self.settle(first, &answer)
    }

    /// The answer names the last position; those of one batch follow each other without a gap.
    fn settle(&self, first: usize, answer: &Message) -> anyhow::Result<()> {
        let last = position(answer, LOG_STREAM)?;
        let before = last.saturating_sub(BATCH as u64);
        ensure!(before > 0, "a batch cannot end at position {last}");
        for (owner, position) in (first..first + BATCH).zip(before + 1..) {
            self.raw.stored(owner, position);
        }
        Ok(())
    }
}
