//! The NATS door: `cmd.<tenant>.<facet>.<command>[.<owner>]`, requests and plain publishes, JSON and protobuf.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_nats::{Client, HeaderMap, HeaderName, Message, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt as _;
use prost::Message as _;
use proto::subject::{COMMAND_SUBJECTS, CommandSubject, INBOX_PREFIX, Tenant};
use proto::{Reply, header};
use runtime::problem::Problem;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::MAX_IN_FLIGHT;
use super::decode::{self, Encoding};
use crate::commit::Request;
use crate::error::Fault;
use crate::execute::Executor;
use crate::target::{self, Address};
use crate::turn_queue::{Place, TurnQueue};

const QUEUE_GROUP: &str = "command-service";
const COMMAND_ID: HeaderName = HeaderName::from_static(header::COMMAND_ID);
const CONTENT_TYPE: HeaderName = HeaderName::from_static(header::CONTENT_TYPE);
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// The open door. It answers nothing but commands: whatever answered other subjects by itself would answer to any reply subject.
pub(crate) struct Door {
    client: Client,
    commands: Subscriber,
    executor: Arc<Executor>,
    /// A sender's commands about one guest are carried out in the order they came, also those nobody waits for.
    order: Arc<TurnQueue<Address>>,
    in_flight: Arc<Semaphore>,
    tasks: TaskTracker,
}

pub(crate) async fn open(client: &Client, executor: Arc<Executor>) -> anyhow::Result<Door> {
    let commands = client.queue_subscribe(COMMAND_SUBJECTS, QUEUE_GROUP.to_owned()).await;
    Ok(Door {
        client: client.clone(),
        commands: commands.context("the NATS door does not open")?,
        executor,
        order: TurnQueue::new(),
        in_flight: Arc::new(Semaphore::new(MAX_IN_FLIGHT)),
        tasks: TaskTracker::new(),
    })
}

/// Takes commands until `stop`, then finishes those that have arrived.
pub(crate) async fn run(mut door: Door, stop: CancellationToken) -> anyhow::Result<()> {
    while let Some(message) = stop.run_until_cancelled(door.commands.next()).await {
        door.take(message.context("NATS closed the command door")?).await;
    }
    // From here on commands go to another instance, or find no responder; what is on its way already is carried out.
    door.commands.drain().await?;
    let drained = tokio::time::timeout(DRAIN_TIMEOUT, async {
        while let Some(message) = door.commands.next().await {
            door.take(message).await;
        }
        door.tasks.close();
        door.tasks.wait().await;
        door.client.flush().await
    });
    Ok(drained.await.context("commands were still under way at the drain limit")??)
}

impl Door {
    async fn take(&self, message: Message) {
        if message.reply.as_ref().is_some_and(|reply| !reply.starts_with(INBOX_PREFIX)) {
            // Whoever answers such a subject publishes into it with this service's rights: the log's among them.
            tracing::warn!("refused a command whose reply subject is no inbox");
            return;
        }
        let Ok(permit) = Arc::clone(&self.in_flight).try_acquire_owned() else {
            return answer(&self.client, &message, Encoding::Json, Err(Fault::Overloaded)).await;
        };
        let encoding = encoding(&message);
        let request = request(&message, encoding);
        let place = request.as_deref().ok().and_then(target::address).map(|address| self.order.enter(address));
        let (client, executor) = (self.client.clone(), Arc::clone(&self.executor));
        self.tasks.spawn(async move {
            let outcome = carry_out(&executor, request, place).await;
            answer(&client, &message, encoding, outcome).await;
            drop(permit);
        });
    }
}

async fn carry_out(
    executor: &Executor,
    request: Result<Box<Request>, Problem>,
    place: Option<Place<Address>>,
) -> Result<Reply, Fault> {
    let request = request?;
    let mut place = place;
    if let Some(place) = &mut place {
        place.turn().await;
    }
    executor.execute(&request).await
}

fn request(message: &Message, encoding: Encoding) -> Result<Box<Request>, Problem> {
    let malformed =
        || Problem::bad_request("malformed_command", "a command goes to cmd.<tenant>.<facet>.<command>[.<owner>]");
    let subject = CommandSubject::parse(&message.subject).map_err(|_| malformed())?;
    let invalid = || Problem::bad_request("tenant_invalid", "a tenant is 1 to 64 characters of A-Z, a-z, 0-9, _ and -");
    let given = |name: HeaderName| message.headers.as_ref()?.get(name).map(|value| value.as_str().as_bytes());
    let tenant: Tenant = subject.tenant.parse().map_err(|_| invalid())?;
    if tenant.is_system() {
        return Err(invalid());
    }
    Ok(Box::new(Request {
        tenant,
        id: decode::command_id(given(COMMAND_ID))?,
        command: decode::command(subject.facet, subject.command, encoding, &message.payload)?,
        owner: subject.owner.map(str::to_owned),
        precondition: None,
        correlation_id: None,
    }))
}

fn encoding(message: &Message) -> Encoding {
    let content_type = message.headers.as_ref().and_then(|headers| headers.get(CONTENT_TYPE));
    let protobuf =
        |value: &str| value.starts_with("application/protobuf") || value.starts_with("application/x-protobuf");
    if content_type.is_some_and(|value| protobuf(value.as_str())) { Encoding::Protobuf } else { Encoding::Json }
}

/// Answers whoever asked; a plain publish asked nothing, and a fault of ours is logged on the way to a problem.
async fn answer(client: &Client, message: &Message, encoding: Encoding, outcome: Result<Reply, Fault>) {
    let (headers, body) = match outcome {
        Ok(reply) => accepted(&reply, encoding),
        Err(fault) => refused(&fault.into()),
    };
    let Some(reply) = message.reply.clone() else { return };
    if let Err(error) = client.publish_with_headers(reply, headers, body).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "a reply could not be sent");
    }
}

fn accepted(reply: &Reply, encoding: Encoding) -> (HeaderMap, Bytes) {
    let (content_type, body) = match encoding {
        Encoding::Json => ("application/json", serde_json::to_vec(reply).unwrap_or_default()),
        Encoding::Protobuf => ("application/protobuf", reply.encode_to_vec()),
    };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(COMMAND_ID, reply.id.as_str());
    (headers, Bytes::from(body))
}

fn refused(problem: &Problem) -> (HeaderMap, Bytes) {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, "application/problem+json");
    headers.insert(header::SERVICE_ERROR_CODE, problem.status().as_str());
    headers.insert(header::SERVICE_ERROR, problem.code());
    (headers, Bytes::from(problem.to_json()))
}
