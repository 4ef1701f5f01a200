//! Group commit: commits that wait together share one fsync of the log.
//!
//! A lone commit is published at once, unless a batch has just ended. Few of them are published one by one, without waiting for
//! each other; many go as one atomic batch, one batch at a time. Where few ends and many begins is measured as it runs (`pace`).
//! A commit stands and falls by its own guard: a batch the log refuses is settled commit by commit.

mod answer;
mod entry;
mod pace;
mod publish;
mod waiting;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::Client;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use runtime::trace;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

pub use answer::{AppendFault, Appended};
pub use entry::Entry;

use self::pace::Pace;
use self::publish::Refused;
use self::waiting::{Unit, Waiting};
use crate::spans;

/// Units taken from the queue at once; what bounds their number is the doors, which let in fewer commands than this.
const QUEUED: usize = 4_096;
/// A batch may wait for the callers the last one has just answered: as long as that one took, divided by this. Most of what a
/// batch costs it costs however few share it (`docs/decisions/001-batches-wait-for-their-callers.md`).
const GATHER_DIVISOR: u32 = 2;
/// And not longer than this, however slow the log is.
const LONGEST_GATHER: Duration = Duration::from_millis(10);

/// Cheap to clone. The last one dropped ends the task it came with.
#[derive(Clone)]
pub struct Appender {
    queue: mpsc::Sender<Unit>,
    last_ack: Arc<LastAck>,
}

impl Appender {
    /// The handle, and the work that must run for it: it ends when the last handle is dropped and all is answered.
    pub fn new(client: Client) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (queue, units) = mpsc::channel(QUEUED);
        let last_ack = Arc::new(LastAck { start: Instant::now(), millis: AtomicU64::new(0) });
        let group = Group::new(client, Arc::clone(&last_ack));
        (Self { queue, last_ack }, group.run(units))
    }

    /// Appends the commit if its guard holds. A commit of an owner must be settled before the next one is given.
    pub async fn append(&self, commit: Entry) -> Result<Appended, AppendFault> {
        self.append_together(vec![commit]).await
    }

    /// Appends all of the commits or none, in one atomic batch; the position answered is the last one's, and the others'
    /// are those right before it.
    pub async fn append_together(&self, mut commits: Vec<Entry>) -> Result<Appended, AppendFault> {
        let span = trace::step(spans::append);
        let onward = trace::onward(&span);
        for commit in &mut commits {
            commit.trace = onward;
        }
        let (answer, answered) = oneshot::channel();
        self.queue.send(Unit::new(commits, answer, span.clone())?).await.map_err(|_| AppendFault::Stopped)?;
        // It was taken, so it may have been published.
        let outcome = answered.await.unwrap_or(Ok(Appended::Unclear));
        spans::appended(&span, outcome.as_ref());
        outcome
    }

    /// How long ago the log last acknowledged a commit; at first, how long ago this began.
    pub fn since_last_ack(&self) -> Duration {
        self.last_ack.elapsed()
    }
}

struct LastAck {
    start: Instant,
    millis: AtomicU64,
}

impl LastAck {
    fn now(&self) {
        let millis = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.millis.store(millis, Ordering::Relaxed);
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed().saturating_sub(Duration::from_millis(self.millis.load(Ordering::Relaxed)))
    }
}

/// What of the log is under way, and what waits.
struct Group {
    client: Client,
    last_ack: Arc<LastAck>,
    pace: Pace,
    waiting: Waiting,
    under_way: FuturesUnordered<BoxFuture<'static, Ended>>,
    singles: usize,
    batch: bool,
    /// After a batch: how many callers it answered, and until when the next batch waits for them.
    gathering: Option<(usize, Instant)>,
}

/// A publish that is over; its callers have their answers, except those of a refused batch.
enum Ended {
    Single { acknowledged: bool },
    Batch { commits: usize, began: Instant, outcome: Result<bool, Refused> },
}

impl Group {
    fn new(client: Client, last_ack: Arc<LastAck>) -> Self {
        let (pace, waiting, under_way) = (Pace::default(), Waiting::default(), FuturesUnordered::new());
        Self { client, last_ack, pace, waiting, under_way, singles: 0, batch: false, gathering: None }
    }

    async fn run(mut self, mut units: mpsc::Receiver<Unit>) {
        let mut arrived = Vec::with_capacity(QUEUED);
        let mut open = true;
        while open || !self.under_way.is_empty() || !self.waiting.is_empty() {
            let gathered_at = self.gathering.map(|(_, until)| until);
            tokio::select! {
                count = units.recv_many(&mut arrived, QUEUED), if open => {
                    open = count > 0;
                    arrived.drain(..).for_each(|unit| self.waiting.push(unit));
                }
                Some(ended) = self.under_way.next() => self.note(ended),
                () = sleep_until(gathered_at) => self.gathering = None,
            }
            self.publish();
        }
    }

    fn note(&mut self, ended: Ended) {
        match ended {
            Ended::Single { acknowledged } => {
                self.singles -= 1;
                self.pace.single_ended(acknowledged, self.singles);
                if acknowledged {
                    self.last_ack.now();
                }
            }
            Ended::Batch { commits, began, outcome } => {
                self.batch = false;
                match outcome {
                    Ok(acknowledged) => {
                        let took = began.elapsed();
                        self.pace.batch_ended(acknowledged, commits, took);
                        if acknowledged {
                            self.gathering =
                                Some((commits, Instant::now() + (took / GATHER_DIVISOR).min(LONGEST_GATHER)));
                            self.last_ack.now();
                        }
                    }
                    Err(Refused(units)) => units.into_iter().rev().for_each(|unit| self.waiting.push_alone(unit)),
                }
            }
        }
    }

    /// Publishes what may be published now.
    fn publish(&mut self) {
        if self.batch {
            return;
        }
        while let Some(unit) = self.waiting.pop_alone() {
            self.publish_single(unit);
        }
        if self.gathering.is_some_and(|(answered, _)| self.waiting.commits() < answered) {
            return;
        }
        let few = self.pace.few();
        if self.singles + self.waiting.commits() <= few && !self.waiting.is_empty() {
            while let Some(unit) = self.waiting.pop() {
                self.publish_single(unit);
            }
        } else if self.singles == 0 && !self.waiting.is_empty() {
            self.publish_batch();
        }
    }

    fn publish_single(&mut self, unit: Unit) {
        self.gathering = None;
        self.singles += 1;
        self.pace.single_began(self.singles);
        self.under_way.push(Box::pin(publish::single(self.client.clone(), unit)));
    }

    fn publish_batch(&mut self) {
        self.gathering = None;
        self.batch = true;
        let units = self.waiting.take_batch();
        self.under_way.push(Box::pin(publish::batch(self.client.clone(), units)));
    }
}

async fn sleep_until(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => std::future::pending().await,
    }
}
