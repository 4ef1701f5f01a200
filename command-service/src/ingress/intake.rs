//! The durable intake: commands that were published to `cmdq.<tenant>.<facet>.<command>` and acknowledged by JetStream are
//! carried out, however long that takes and whoever was down meanwhile.
//!
//! One instance at a time empties it, in order. A command leaves the stream when its verdict is stored; one that can never be
//! carried out is kept as a dead letter.

mod dead_letter;
mod hold;
pub(crate) mod put;
mod settle;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::{Message, consumer::PullConsumer};
use event_log::intake::IntakeInfo;
use futures_util::StreamExt as _;
use runtime::problem::Problem;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::hold::Holds;
use super::Order;
use super::nats::request;
use crate::commit::Request;
use crate::execute::Executor;
use crate::target;
use crate::verdicts::Verdicts;

/// Commands of the intake that are carried out at once, beside those of the doors.
const WINDOW: usize = 1_000;
const PULLED: usize = 500;
const PULL_EXPIRES: Duration = Duration::from_secs(30);
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Before somebody else's hold is asked about again, and a broken one renewed.
const BETWEEN_HOLDS: Duration = Duration::from_secs(1);

/// What the intake works with. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Intake {
    client: Client,
    executor: Arc<Executor>,
    verdicts: Verdicts,
    order: Order,
    info: Arc<IntakeInfo>,
    /// Names this process to the others.
    instance: String,
    /// Positions in the stream of what is being carried out.
    under_way: Arc<Mutex<HashSet<u64>>>,
}

impl Intake {
    pub(crate) fn new(
        client: Client,
        executor: Arc<Executor>,
        verdicts: Verdicts,
        order: Order,
        info: IntakeInfo,
        instance: String,
    ) -> Self {
        Self { client, executor, verdicts, order, info: Arc::new(info), instance, under_way: Arc::default() }
    }

    /// Empties the intake until `stop`, whenever no other instance does.
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut holds = Holds::new(self.client.clone(), self.info.replicas, self.instance.clone());
        while !stop.is_cancelled() {
            match holds.take().await {
                Ok(Some(consumer)) => {
                    self.empty(&consumer, &stop).await;
                    holds.give_up(&consumer).await;
                }
                Ok(None) => tracing::debug!("another instance empties the intake"),
                Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "the intake cannot be emptied"),
            }
            stop.run_until_cancelled(tokio::time::sleep(BETWEEN_HOLDS)).await;
        }
        Ok(())
    }

    /// Carries out what comes until `stop` or until the hold is lost, and what it has begun to the end.
    async fn empty(&self, consumer: &PullConsumer, stop: &CancellationToken) {
        tracing::info!(consumer = consumer.cached_info().name, "emptying the intake");
        // Also told of a lost hold, by which whatever was not begun, or waits for a dependency, gives up: the next holder begins
        // with it.
        let giving_up = stop.child_token();
        let tasks = TaskTracker::new();
        if let Err(error) = self.carry_out_all(consumer, stop, &giving_up, &tasks).await {
            tracing::warn!("the hold on the intake is lost: {error:#}");
        }
        giving_up.cancel();
        tasks.close();
        tasks.wait().await;
    }

    async fn carry_out_all(
        &self,
        consumer: &PullConsumer,
        stop: &CancellationToken,
        giving_up: &CancellationToken,
        tasks: &TaskTracker,
    ) -> anyhow::Result<()> {
        let window = Arc::new(Semaphore::new(WINDOW));
        let pulling = consumer.stream().max_messages_per_batch(PULLED).expires(PULL_EXPIRES).heartbeat(HEARTBEAT);
        let mut messages = pulling.messages().await?;
        let mut deliveries = 0;
        while let Some(Some(message)) = stop.run_until_cancelled(messages.next()).await {
            let message = message?;
            let Some(Ok(permit)) = stop.run_until_cancelled(Arc::clone(&window).acquire_owned()).await else { break };
            let info =
                message.info().map_err(|error| anyhow::anyhow!("a message does not say where it stands: {error}"))?;
            deliveries += 1;
            // What was lost with a connection would come again after what was sent later.
            anyhow::ensure!(info.consumer_sequence == deliveries, "a delivery was lost");
            let position = info.stream_sequence;
            if !self.begin(position) {
                // Delivered again while it is still being carried out; that will acknowledge it.
                continue;
            }
            let request = self.read(&message, position);
            let place = request.as_deref().ok().and_then(target::address).map(|address| self.order.enter(address));
            let (intake, giving_up) = (self.clone(), giving_up.clone());
            tasks.spawn(async move {
                intake.settle(&message, position, request, place, &giving_up).await;
                intake.end(position);
                drop(permit);
            });
        }
        Ok(())
    }

    /// A command without an id is named after its place in the stream, so that it is the same one when it is delivered again.
    fn read(&self, message: &Message, position: u64) -> Result<Box<Request>, Problem> {
        let unnamed = || format!("cmdq_{}_{position}", self.info.intake_id);
        let mut request = request::read(&message.message, unnamed)?;
        // Nobody waits.
        request.deadline = None;
        Ok(request)
    }

    fn begin(&self, position: u64) -> bool {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).insert(position)
    }

    fn end(&self, position: u64) {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&position);
    }
}
