//! The limit of the log for many callers: atomic batches, one at a time, over one connection. Source: ADR-50.

use std::time::{Duration, Instant};

use anyhow::ensure;
use async_nats::header::{self, NATS_BATCH_COMMIT_FINAL};
use async_nats::{Client, Message};

use super::Contestant as _;
use super::raw::{Raw, position};
use crate::figures;

/// As many as one batch may hold.
pub(crate) const BATCH: usize = 1_000;

/// The batch every owner is part of exactly once in a while.
pub(crate) struct Batches<'a> {
    client: &'a Client,
    raw: &'a Raw,
    run: String,
    sent: usize,
}

impl<'a> Batches<'a> {
    pub(crate) fn new(client: &'a Client, raw: &'a Raw) -> Self {
        Self { client, raw, run: runtime::clock::random_id().simple().to_string(), sent: 0 }
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
        let id = format!("{}-{}", self.run, self.sent);
        let first = self.sent * BATCH % self.raw.owners();
        for index in 0..BATCH - 1 {
            let request = self.request(&id, first, index);
            self.client.publish_with_headers(request.subject, request.headers, request.body).await?;
        }
        let mut last = self.request(&id, first, BATCH - 1);
        last.headers.insert(header::NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL);
        let answer = self.client.request_with_headers(last.subject, last.headers, last.body).await?;
        self.sent += 1;
        self.settle(first, &answer)
    }

    fn request(&self, id: &str, first: usize, index: usize) -> super::Request {
        let mut request = self.raw.request(first + index);
        request.headers.insert(header::NATS_BATCH_ID, id);
        request.headers.insert(header::NATS_BATCH_SEQUENCE, (index + 1).to_string());
        request
    }

    /// The answer names the last position; those of one batch follow each other without a gap.
    fn settle(&self, first: usize, answer: &Message) -> anyhow::Result<()> {
        let last = position(answer)?;
        let before = last.saturating_sub(BATCH as u64);
        ensure!(before > 0, "a batch cannot end at position {last}");
        for (owner, position) in (first..first + BATCH).zip(before + 1..) {
            self.raw.stored(owner, position);
        }
        Ok(())
    }
}
