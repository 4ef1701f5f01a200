//! Stores verdicts that come at once together.

use async_nats::Client;
use futures_util::future::try_join_all;
use tokio::sync::{mpsc, oneshot};

use super::{FIRST_PAUSE, LONGEST_PAUSE};
use crate::atomic_batch;
use crate::outgoing::{self, Outgoing, StoreFault};

/// Of one atomic batch.
const BATCH: usize = 1_000;
/// From here on a batch is cheaper than as many single publishes.
const BATCH_FROM: usize = 4;

/// A verdict on its way to the stream.
pub(super) struct Waiting {
    pub(super) message: Outgoing,
    pub(super) stored: oneshot::Sender<()>,
}

/// Takes what waits, stores it, and says so; tries again until the stream takes it.
pub(super) async fn run(client: Client, mut queue: mpsc::Receiver<Waiting>) {
    let mut waiting = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut waiting, BATCH).await > 0 {
        let mut pause = FIRST_PAUSE;
        while let Err(error) = store(&client, &waiting).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                count = waiting.len(),
                "verdicts cannot be stored"
            );
            tokio::time::sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
        for Waiting { stored, .. } in waiting.drain(..) {
            // Whoever sent it may wait no longer.
            let _waits = stored.send(());
        }
    }
}

async fn store(client: &Client, waiting: &[Waiting]) -> Result<(), StoreFault> {
    if let [first @ .., last] = waiting
        && waiting.len() >= BATCH_FROM
    {
        let message = |one: &Waiting| one.message.clone();
        let batch = atomic_batch::publish(client, first.iter().map(message).collect(), message(last)).await;
        let answer = batch.map_err(|fault| StoreFault::NoAnswer(fault.into()))?;
        match outgoing::read(&answer.payload) {
            // Nothing of it was stored: each finds out by itself.
            Err(fault) if fault.is_refused() => tracing::debug!("a batch of verdicts was refused: {fault}"),
            stored => return stored,
        }
    }
    try_join_all(waiting.iter().map(|one| one.message.clone().store(client))).await.map(drop)
}
