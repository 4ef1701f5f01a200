//! The limit of folding: a loop by hand that reads plain interactions and writes what arrived set-wise. One reader, one
//! connection, no rules; nothing is sealed.

mod batch;
mod tables;

use std::convert::Infallible;

use anyhow::{Context as _, anyhow};
use async_nats::jetstream::consumer::pull::{self, OrderedConfig};
use async_nats::jetstream::{self, Message};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::task::unconstrained;

use crate::atomic::BATCH;
use crate::plain::{Plain, STREAM};
use crate::site::Site;
use batch::Batch;
pub(crate) use tables::SCHEMA;
use tables::Tables;

/// What may be under way from the server; as much as the workers ask for.
const PULL_MESSAGES: usize = 5_000;
const PULL_BYTES: usize = 16 * 1024 * 1024;

/// What the loop keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeps {
    /// A table for each read model: interactions, profiles, and how often each topic came.
    ThreeTables,
    /// Which guests came to which topic as well, as we do.
    TopicGuests,
}

pub(crate) struct RawLoop {
    messages: pull::Stream,
    tables: Tables,
    keeps: Keeps,
}

impl RawLoop {
    /// Begins with the first interaction of the stream and empty tables.
    pub(crate) async fn start(site: &Site, keeps: Keeps) -> anyhow::Result<Self> {
        let tables = Tables::emptied(site.read_admin().await).await?;
        let context = jetstream::new(site.client().clone());
        let consumer = context.create_consumer_on_stream(pull::Config::from(OrderedConfig::default()), STREAM).await?;
        let pull = consumer.stream().max_messages_per_batch(PULL_MESSAGES).max_bytes_per_batch(PULL_BYTES);
        Ok(Self { messages: pull.messages().await?, tables, keeps })
    }

    /// Applies what has arrived, at least one interaction and at most a batch; answers how many.
    pub(crate) async fn step(&mut self) -> anyhow::Result<usize> {
        let messages = self.arrived().await?;
        let mut batch = Batch::empty(self.keeps);
        for message in &messages {
            let position = message.info().map_err(|error| anyhow!(error))?.stream_sequence;
            let plain: Plain<'_> = serde_json::from_slice(&message.payload)?;
            batch.add(plain, position.cast_signed());
        }
        self.tables.write(&batch).await?;
        Ok(messages.len())
    }

    /// Applies whatever comes, until it is dropped.
    pub(crate) async fn run(mut self) -> anyhow::Result<Infallible> {
        loop {
            self.step().await?;
        }
    }

    async fn arrived(&mut self) -> anyhow::Result<Vec<Message>> {
        let ended = "the stream of plain interactions ended";
        let mut arrived = vec![self.messages.next().await.context(ended)??];
        // Tokio's budget would make the stream look empty after 128 messages.
        while arrived.len() < BATCH
            && let Some(next) = unconstrained(self.messages.next()).now_or_never()
        {
            arrived.push(next.context(ended)??);
        }
        Ok(arrived)
    }
}
