//! The durable intake: commands that were published to `cmdq.<tenant>.<facet>.<command>` and acknowledged by JetStream are
//! carried out, however long that takes and whoever was down meanwhile.
//!
//! One instance at a time empties it, in order. A command leaves the stream when its verdict is stored; one that can never be
//! carried out is kept as a dead letter.

mod clear;
mod dead_letter;
mod deliveries;
mod hold;
pub(crate) mod put;
mod quarantine;
mod settle;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use event_log::NatsAddress;
use event_log::intake::IntakeInfo;
use futures_util::StreamExt as _;
use runtime::trace::Scope;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::clear::{Note, Notes};
use self::deliveries::{Deliveries, Delivery};
use self::hold::{Hold, Holds};
use super::Order;
use super::nats::request;
use crate::execute::Executor;
use crate::spans;
use crate::target;
use crate::turn_queue::TurnQueue;
use crate::verdicts::Verdicts;

/// Commands of the intake that are carried out at once, beside those of the doors.
const WINDOW: usize = 1_000;
/// Asked for at once.
const PULLED: usize = 500;
const PULLED_BYTES: usize = 32 * 1024 * 1024;
const PULL_EXPIRES: Duration = Duration::from_secs(30);
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Before somebody else's hold is asked about again, and a broken one renewed.
const BETWEEN_HOLDS: Duration = Duration::from_secs(1);

/// What the intake works with. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Intake {
    executor: Arc<Executor>,
    verdicts: Verdicts,
    /// Its own: one who waits for an answer does not wait for a backlog.
    order: Order,
    /// A command without an id is named after its place in this intake.
    id: Arc<str>,
    nats: Arc<NatsAddress>,
}

impl Intake {
    pub(crate) fn new(nats: &NatsAddress, executor: Arc<Executor>, verdicts: Verdicts, info: &IntakeInfo) -> Self {
        let (id, nats) = (info.intake_id.as_str().into(), Arc::new(nats.clone()));
        Self { executor, verdicts, order: TurnQueue::new(), id, nats }
    }

    /// The id of the command at this position when it has none: the same one whenever it is delivered.
    fn unnamed(&self, position: u64) -> String {
        format!("cmdq_{}_{position}", self.id)
    }

    /// Empties the intake until `stop`, whenever no other instance does.
    pub(crate) async fn run(self, replicas: usize, stop: CancellationToken) -> anyhow::Result<()> {
        let mut holds = Holds::new(Arc::clone(&self.nats), replicas);
        while !stop.is_cancelled() {
            match holds.take().await {
                Ok(Some(hold)) => self.empty(hold, &stop).await,
                Ok(None) => tracing::debug!("another instance empties the intake"),
                Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "the intake cannot be emptied"),
            }
            stop.run_until_cancelled(tokio::time::sleep(BETWEEN_HOLDS)).await;
        }
        Ok(())
    }

    /// Carries out what comes until `stop` or until the hold is lost, and what it has begun to the end.
    async fn empty(&self, hold: Hold, stop: &CancellationToken) {
        tracing::info!(consumer = hold.name(), "emptying the intake");
        // Also told of a lost hold, by which whatever was not begun, or waits for a dependency, gives up: the next holder begins
        // with it.
        let giving_up = stop.child_token();
        let tasks = TaskTracker::new();
        let (notes, clearing) = clear::new(hold.client.clone());
        let carrying_out = async {
            let lost = self.carry_out_all(&hold, stop, &giving_up, &tasks, notes).await;
            giving_up.cancel();
            tasks.close();
            tasks.wait().await;
            lost
        };
        let (lost, ()) = tokio::join!(carrying_out, clearing);
        if let Err(error) = lost {
            tracing::warn!("the hold on the intake is lost: {error:#}");
            quarantine::sweep(self).await;
        }
        hold.give_up().await;
    }

    async fn carry_out_all(
        &self,
        hold: &Hold,
        stop: &CancellationToken,
        giving_up: &CancellationToken,
        tasks: &TaskTracker,
        notes: Notes,
    ) -> anyhow::Result<()> {
        let (window, deliveries) = (Arc::new(Semaphore::new(WINDOW)), Deliveries::default());
        let pulling = hold.consumer.stream().max_messages_per_batch(PULLED).max_bytes_per_batch(PULLED_BYTES);
        let mut messages = pulling.expires(PULL_EXPIRES).heartbeat(HEARTBEAT).messages().await?;
        loop {
            let message = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = hold.broken() => bail!("the connection broke"),
                next = messages.next() => next.context("NATS closed the connection")??,
            };
            let Some(permit) = stop.run_until_cancelled(Arc::clone(&window).acquire_owned()).await else {
                return Ok(());
            };
            let delivery = deliveries.take(message)?;
            let Delivery::New(delivered) = delivery else {
                if let Delivery::SettledBefore(position, message) = delivery {
                    tell(&notes, Note::Settled(position, message));
                }
                continue;
            };
            let message = &delivered.message.message;
            let scope = Scope::new(event_log::trace_of(message), spans::durable);
            let mut request =
                scope.run(|| request::read(message, delivered.received_at, || self.unnamed(delivered.position)));
            if let (Ok(request), Some(vouched)) = (&mut request, request::sender(message)) {
                self.executor.acts.believe(request, vouched);
            }
            let place = request.as_deref().ok().and_then(target::address).map(|address| self.order.enter(address));
            let (intake, client) = (self.clone(), hold.client.clone());
            let (giving_up, notes, permit) = (giving_up.clone(), notes.clone(), permit?);
            tell(&notes, Note::Delivered(delivered.position));
            tasks.spawn(scope.wrap(async move {
                if intake.settle(&client, &delivered, request, place, &giving_up).await {
                    let (position, message) = delivered.settled();
                    tell(&notes, Note::Settled(position, message));
                }
                drop(permit);
            }));
        }
    }
}

/// Whoever listens does so until all is told.
fn tell(notes: &Notes, note: Note) {
    let _heard = notes.send(note);
}
