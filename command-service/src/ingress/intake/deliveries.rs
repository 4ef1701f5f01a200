//! What was delivered to one holder: in order, each command once.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::ensure;
use async_nats::jetstream::Message;
use chrono::{DateTime, Utc};
use runtime::clock;

/// Settled commands that are remembered: more than can have been on their way again before they were out of the stream.
const REMEMBERED: usize = 20_000;

/// The deliveries of one hold.
#[derive(Default)]
pub(super) struct Deliveries {
    count: Mutex<u64>,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    under_way: HashSet<u64>,
    settled: HashSet<u64>,
    oldest: VecDeque<u64>,
}

/// What a message is to its holder.
pub(super) enum Delivery {
    New(Box<Delivered>),
    /// It is still being carried out.
    UnderWay,
    /// Its acknowledgement did not arrive in time.
    SettledBefore(u64, Box<Message>),
}

/// A command that is being carried out, until it is dropped.
pub(super) struct Delivered {
    pub(super) position: u64,
    /// When the intake got it.
    pub(super) received_at: DateTime<Utc>,
    pub(super) message: Message,
    known: Arc<Mutex<Known>>,
}

impl Deliveries {
    /// An error when a delivery was lost: what was in it would come again after what was sent later.
    pub(super) fn take(&self, message: Message) -> anyhow::Result<Delivery> {
        let info =
            message.info().map_err(|error| anyhow::anyhow!("a message does not say where it stands: {error}"))?;
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        *count += 1;
        ensure!(info.consumer_sequence == *count, "a delivery was lost");
        let (position, published) = (info.stream_sequence, info.published);
        let received_at = DateTime::from_timestamp(published.unix_timestamp(), published.nanosecond());
        let received_at = received_at.unwrap_or_else(clock::now);
        let mut known = lock(&self.known);
        if known.settled.contains(&position) {
            return Ok(Delivery::SettledBefore(position, Box::new(message)));
        }
        if !known.under_way.insert(position) {
            return Ok(Delivery::UnderWay);
        }
        drop(known);
        Ok(Delivery::New(Box::new(Delivered { position, received_at, message, known: Arc::clone(&self.known) })))
    }
}

impl Delivered {
    /// Where it stood, and what to acknowledge it by.
    pub(super) fn settled(self) -> (u64, Box<Message>) {
        let mut known = lock(&self.known);
        known.settled.insert(self.position);
        known.oldest.push_back(self.position);
        if known.oldest.len() > REMEMBERED
            && let Some(oldest) = known.oldest.pop_front()
        {
            known.settled.remove(&oldest);
        }
        drop(known);
        (self.position, Box::new(self.message.clone()))
    }
}

impl Drop for Delivered {
    fn drop(&mut self) {
        lock(&self.known).under_way.remove(&self.position);
    }
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}
