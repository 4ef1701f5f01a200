//! The NATS door: `cmd.<tenant>.<facet>.<command>[.<owner>]`, requests and plain publishes, JSON and protobuf.

mod answer;
pub(crate) mod discovery;
pub(crate) mod request;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_nats::{Client, Message, Subject, Subscriber};
use bytes::Bytes;
use event_log::permissions::DOOR_QUEUE;
use event_log::{NatsAddress, User};
use futures_util::StreamExt as _;
use futures_util::stream::SelectAll;
use proto::Reply;
use proto::subject::{COMMAND_SUBJECTS, Tenant};
use runtime::clock;
use runtime::problem::Problem;
use runtime::trace::Scope;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::discovery::{Discovery, Tally};
use super::decode::{self, Encoding};
use super::{MAX_IN_FLIGHT, Order};
use crate::commit::Request;
use crate::deadline::Deadline;
use crate::error::Fault;
use crate::execute::Executor;
use crate::spans;
use crate::target::{self, Address};
use crate::turn_queue::{Place, TurnQueue};
use crate::verdicts::{Verdict, Verdicts};

const HEARING_TIMEOUT: Duration = Duration::from_secs(5);
const BETWEEN_OPENINGS: Duration = Duration::from_millis(200);
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// The door, and the connection it is open on.
pub(crate) struct Door {
    nats: NatsAddress,
    connection: Connection,
    handler: Handler,
    discovery: Discovery,
    tasks: TaskTracker,
}

/// A connection of its own: what a caller can do to it, it can do to no other.
struct Connection {
    client: Client,
    commands: Subscriber,
    questions: SelectAll<Subscriber>,
}

impl Connection {
    async fn open(nats: &NatsAddress, discovery: &Discovery) -> anyhow::Result<Self> {
        let client = event_log::connect(nats, User::Door, "keepsake command-service: door").await?;
        let commands = client.queue_subscribe(COMMAND_SUBJECTS, DOOR_QUEUE.to_owned()).await;
        let commands = commands.context("the NATS door does not open")?;
        let questions = discovery.listen(&client).await?;
        hear_oneself(&client).await?;
        Ok(Self { client, commands, questions })
    }
}

/// What comes back on the same connection says that the server has the subscriptions made before: ready is said only after that.
async fn hear_oneself(client: &Client) -> anyhow::Result<()> {
    let inbox = client.new_inbox();
    let mut heard = client.subscribe(inbox.clone()).await?;
    client.publish(inbox, Bytes::new()).await?;
    let answer = tokio::time::timeout(HEARING_TIMEOUT, heard.next()).await;
    answer.ok().flatten().context("the NATS door does not hear: may its user subscribe?").map(drop)
}

/// What becomes of each message. Cheap to clone.
#[derive(Clone)]
struct Handler {
    executor: Arc<Executor>,
    verdicts: Verdicts,
    /// A sender's commands about one guest are carried out in the order they came, also those nobody waits for.
    order: Order,
    tally: Arc<Tally>,
    in_flight: Arc<Semaphore>,
}

/// Who hears how a command ended.
enum Listener {
    /// The sender waits.
    Inbox(Client, Subject, Encoding),
    /// Nobody waits, but somebody may ask.
    Verdict(Tenant, String),
    /// Whose it was cannot be said.
    Nobody,
}

pub(crate) async fn open(
    nats: &NatsAddress,
    executor: Arc<Executor>,
    verdicts: Verdicts,
    discovery: Discovery,
) -> anyhow::Result<Door> {
    let connection = Connection::open(nats, &discovery).await?;
    let (order, tally) = (TurnQueue::new(), discovery.tally());
    let handler = Handler { executor, verdicts, order, tally, in_flight: Arc::new(Semaphore::new(MAX_IN_FLIGHT)) };
    Ok(Door { nats: nats.clone(), connection, handler, discovery, tasks: TaskTracker::new() })
}

/// Takes commands until `stop`, then finishes those that have arrived.
pub(crate) async fn run(mut door: Door, stop: CancellationToken) -> anyhow::Result<()> {
    while stop.run_until_cancelled(door.listen()).await.is_some() {
        // A header block that is none ends the client that reads it; the next one is not the worse for it.
        tracing::error!(alarm = "door", "the connection of the NATS door ended, and is opened anew");
        while let Some(Err(error)) = stop.run_until_cancelled(door.reopen()).await {
            tracing::warn!("the NATS door does not open: {error:#}");
            stop.run_until_cancelled(tokio::time::sleep(BETWEEN_OPENINGS)).await;
        }
    }
    // From here on commands go to another instance, or find no responder; what is on its way already is carried out.
    door.connection.commands.drain().await?;
    let drained = tokio::time::timeout(DRAIN_TIMEOUT, async {
        while let Some(message) = door.connection.commands.next().await {
            door.take(&message).await;
        }
        door.tasks.close();
        door.tasks.wait().await;
        door.connection.client.flush().await
    });
    Ok(drained.await.context("commands were still under way at the drain limit")??)
}

impl Door {
    /// Takes what comes; returns when nothing comes any more.
    async fn listen(&mut self) {
        loop {
            tokio::select! {
                command = self.connection.commands.next() => match command {
                    Some(message) => self.take(&message).await,
                    None => return,
                },
                Some(question) = self.connection.questions.next() => {
                    self.discovery.answer(&self.connection.client, question).await;
                }
            }
        }
    }

    async fn reopen(&mut self) -> anyhow::Result<()> {
        self.connection = Connection::open(&self.nats, &self.discovery).await?;
        Ok(())
    }

    async fn take(&self, message: &Message) {
        if !request::may_be_answered(message) {
            tracing::warn!("refused a command whose reply subject is no inbox");
            return;
        }
        let Ok(permit) = Arc::clone(&self.handler.in_flight).try_acquire_owned() else {
            return self.turn_away(message).await;
        };
        let scope = Scope::new(event_log::trace_of(message), spans::request);
        let request = scope.run(|| {
            let mut request = request::read(message, clock::now(), decode::new_command_id)?;
            request.deadline = request::deadline(message)?;
            Ok(request)
        });
        let listener = self.listener(message, request.as_deref());
        // Nothing waits before here: the order of messages is the order of turns.
        let address = request.as_deref().ok().and_then(target::address);
        let place = address.map(|address| self.handler.order.enter(address));
        self.tasks.spawn(scope.wrap(self.handler.clone().settle(request, place, listener, permit)));
    }

    fn listener(&self, message: &Message, request: Result<&Request, &Problem>) -> Listener {
        match &message.reply {
            Some(inbox) => Listener::Inbox(self.connection.client.clone(), inbox.clone(), request::encoding(message)),
            None => request::addressee(message, request)
                .map_or(Listener::Nobody, |(tenant, id)| Listener::Verdict(tenant, id)),
        }
    }

    /// Answers at once, and makes no more to do of it than it must: there is too much already.
    async fn turn_away(&self, message: &Message) {
        let problem = Problem::from(Fault::Overloaded);
        match self.listener(message, Err(&problem)) {
            Listener::Inbox(client, inbox, encoding) => answer::send(&client, inbox, encoding, Err(&problem)).await,
            listener @ Listener::Verdict(..) => {
                let verdicts = self.handler.verdicts.clone();
                self.tasks.spawn(async move { listener.hear(&verdicts, Err(problem)).await });
            }
            Listener::Nobody => {}
        }
    }
}

impl Handler {
    async fn settle(
        self,
        request: Result<Box<Request>, Problem>,
        place: Option<Place<Address>>,
        listener: Listener,
        permit: OwnedSemaphorePermit,
    ) {
        let began = Instant::now();
        match request {
            Ok(request) => {
                let executing = self.in_turn(&request, place, permit);
                let tell = async |outcome: Result<Reply, Fault>| {
                    let outcome = outcome.map_err(Problem::from);
                    self.tally.count(&request.command, began.elapsed(), outcome.as_ref().err());
                    listener.hear(&self.verdicts, outcome).await;
                };
                match (&request.deadline, &listener) {
                    (Some(deadline), Listener::Inbox(..)) => tell_in_time(deadline, executing, tell).await,
                    // Nobody waits with a watch in hand.
                    _ => tell(executing.await).await,
                }
            }
            Err(problem) => {
                drop(permit);
                listener.hear(&self.verdicts, Err(problem)).await;
            }
        }
    }

    /// Whoever waits for a verdict to be stored holds nobody up: the permit ends with the command.
    async fn in_turn(
        &self,
        request: &Request,
        place: Option<Place<Address>>,
        _permit: OwnedSemaphorePermit,
    ) -> Result<Reply, Fault> {
        let mut place = place;
        if let Some(place) = &mut place {
            place.turn().await;
        }
        if let Some(deadline) = &request.deadline {
            deadline.require_time()?;
        }
        self.executor.execute(request).await
    }
}

/// Tells how the command ended, or at its deadline that it has not. It goes on to its end all the same: what was not begun by
/// then ends by itself, and nothing is cut off in the middle.
async fn tell_in_time(
    deadline: &Deadline,
    executing: impl Future<Output = Result<Reply, Fault>>,
    tell: impl AsyncFnOnce(Result<Reply, Fault>),
) {
    let mut executing = pin!(executing);
    tokio::select! {
        biased;
        outcome = &mut executing => tell(outcome).await,
        over = deadline.over() => {
            let _told_already = tokio::join!(tell(Err(over)), executing);
        }
    }
}

impl Listener {
    async fn hear(&self, verdicts: &Verdicts, outcome: Result<Reply, Problem>) {
        match self {
            Self::Inbox(client, inbox, encoding) => {
                answer::send(client, inbox.clone(), *encoding, outcome.as_ref()).await;
            }
            Self::Verdict(tenant, id) => {
                let Some(_allowance) = verdicts.allowance() else { return };
                if let Err(fault) = verdicts.store(tenant, &Verdict::new(id, outcome)).await {
                    tracing::warn!(error = &fault as &dyn std::error::Error, "a verdict was not stored");
                }
            }
            Self::Nobody => tracing::debug!("a publish was no command, and does not say whose it is"),
        }
    }
}
