//! The NATS door: `cmd.<tenant>.<facet>.<command>[.<owner>]`, requests and plain publishes, JSON and protobuf.

mod answer;
pub(crate) mod discovery;
pub(crate) mod request;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_nats::{Client, Message, Subject, Subscriber};
use futures_util::StreamExt as _;
use proto::Reply;
use proto::subject::{COMMAND_SUBJECTS, Tenant};
use runtime::problem::Problem;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::discovery::Tally;
use super::decode::{self, Encoding};
use super::{MAX_IN_FLIGHT, Order};
use crate::commit::Request;
use crate::error::Fault;
use crate::execute::Executor;
use crate::target::{self, Address};
use crate::turn_queue::Place;
use crate::verdicts::{Verdict, Verdicts};

pub(crate) const QUEUE_GROUP: &str = "command-service";
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// The open door.
pub(crate) struct Door {
    client: Client,
    commands: Subscriber,
    executor: Arc<Executor>,
    verdicts: Verdicts,
    order: Order,
    tally: Arc<Tally>,
    in_flight: Arc<Semaphore>,
    tasks: TaskTracker,
}

/// Who hears how a command ended.
enum Listener {
    /// The sender waits.
    Inbox(Subject, Encoding),
    /// Nobody waits, but somebody may ask.
    Verdict(Option<(Tenant, String)>),
}

pub(crate) async fn open(
    client: &Client,
    executor: Arc<Executor>,
    verdicts: Verdicts,
    order: Order,
    tally: Arc<Tally>,
) -> anyhow::Result<Door> {
    let commands = client.queue_subscribe(COMMAND_SUBJECTS, QUEUE_GROUP.to_owned()).await;
    Ok(Door {
        client: client.clone(),
        commands: commands.context("the NATS door does not open")?,
        executor,
        verdicts,
        order,
        tally,
        in_flight: Arc::new(Semaphore::new(MAX_IN_FLIGHT)),
        tasks: TaskTracker::new(),
    })
}

/// Takes commands until `stop`, then finishes those that have arrived.
pub(crate) async fn run(mut door: Door, stop: CancellationToken) -> anyhow::Result<()> {
    while let Some(message) = stop.run_until_cancelled(door.commands.next()).await {
        door.take(&message.context("NATS closed the command door")?).await;
    }
    // From here on commands go to another instance, or find no responder; what is on its way already is carried out.
    door.commands.drain().await?;
    let drained = tokio::time::timeout(DRAIN_TIMEOUT, async {
        while let Some(message) = door.commands.next().await {
            door.take(&message).await;
        }
        door.tasks.close();
        door.tasks.wait().await;
        door.client.flush().await
    });
    Ok(drained.await.context("commands were still under way at the drain limit")??)
}

impl Door {
    async fn take(&self, message: &Message) {
        if !request::may_be_answered(message) {
            tracing::warn!("refused a command whose reply subject is no inbox");
            return;
        }
        let Ok(permit) = Arc::clone(&self.in_flight).try_acquire_owned() else {
            return self.turn_away(message).await;
        };
        let request = request::read(message, decode::new_command_id);
        let listener = match &message.reply {
            Some(reply) => Listener::Inbox(reply.clone(), request::encoding(message)),
            None => Listener::Verdict(request::addressee(message, request.as_deref())),
        };
        // Nothing waits before here: the order of messages is the order of turns.
        let place = request.as_deref().ok().and_then(target::address).map(|address| self.order.enter(address));
        self.tasks.spawn(self.settle(request, place, listener, permit));
    }

    /// Answers at once, without a task: whoever has too much to do makes nothing more to do of it.
    async fn turn_away(&self, message: &Message) {
        let problem = Problem::from(Fault::Overloaded);
        match &message.reply {
            Some(reply) => answer::send(&self.client, reply.clone(), Encoding::Json, Err(&problem)).await,
            None => {
                if let Some((tenant, id)) = request::addressee(message, Err(&problem)) {
                    self.verdicts.offer(&tenant, &Verdict::new(&id, Err(problem)));
                }
            }
        }
    }

    fn settle(
        &self,
        request: Result<Box<Request>, Problem>,
        place: Option<Place<Address>>,
        listener: Listener,
        permit: OwnedSemaphorePermit,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (executor, tally, began) = (Arc::clone(&self.executor), Arc::clone(&self.tally), Instant::now());
        let (client, verdicts) = (self.client.clone(), self.verdicts.clone());
        async move {
            match request {
                Ok(request) => {
                    let tell = async |outcome: Result<Reply, Fault>| {
                        let outcome = outcome.map_err(Problem::from);
                        tally.count(&request.command, began.elapsed(), outcome.as_ref().err());
                        listener.hear(&client, &verdicts, outcome).await;
                    };
                    carry_out(&executor, &request, place, tell).await;
                }
                Err(problem) => listener.hear(&client, &verdicts, Err(problem)).await,
            }
            drop(permit);
        }
    }
}

/// Carries the command out in its turn, and tells how it ended, or at its deadline that it has not.
async fn carry_out(
    executor: &Executor,
    request: &Request,
    place: Option<Place<Address>>,
    tell: impl AsyncFnOnce(Result<Reply, Fault>),
) {
    let mut executing = Box::pin(async {
        let mut place = place;
        if let Some(place) = &mut place {
            place.turn().await;
        }
        executor.execute(request).await
    });
    let Some(deadline) = &request.deadline else { return tell(executing.await).await };
    tokio::select! {
        outcome = &mut executing => tell(outcome).await,
        over = deadline.over() => {
            let begun = matches!(over, Fault::OutcomeUnknown);
            tell(Err(over)).await;
            if begun {
                // What the log was handed is followed to its end, so that the state kept here is not behind.
                let _told_already = executing.await;
            }
        }
    }
}

impl Listener {
    async fn hear(self, client: &Client, verdicts: &Verdicts, outcome: Result<Reply, Problem>) {
        match self {
            Self::Inbox(inbox, encoding) => answer::send(client, inbox, encoding, outcome.as_ref()).await,
            Self::Verdict(Some((tenant, id))) => {
                let verdict = Verdict::new(&id, outcome);
                if let Err(fault) = verdicts.store(&tenant, &verdict).await {
                    tracing::warn!(error = &fault as &dyn std::error::Error, "a verdict was not stored");
                }
            }
            Self::Verdict(None) => {
                if let Err(problem) = outcome {
                    tracing::warn!(problem.code = problem.code(), "a publish was no command, and says not whose it is");
                }
            }
        }
    }
}
