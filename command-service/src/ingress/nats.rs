//! The NATS door: `cmd.<tenant>.<facet>.<command>[.<owner>]`, requests and plain publishes, JSON and protobuf.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_nats::service::endpoint::Endpoint;
use async_nats::service::{Request as ServiceRequest, ServiceExt as _};
use async_nats::{Client, HeaderMap, Message};
use bytes::Bytes;
use futures_util::StreamExt as _;
use prost::Message as _;
use proto::subject::{COMMAND_SUBJECTS, CommandSubject, INBOX_PREFIX};
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

const SERVICE: &str = "keepsake-commands";
const QUEUE_GROUP: &str = "command-service";
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// The open door.
pub(crate) struct Door {
    service: async_nats::service::Service,
    endpoint: Endpoint,
    executor: Arc<Executor>,
}

pub(crate) async fn open(client: &Client, executor: Arc<Executor>) -> anyhow::Result<Door> {
    let started = client
        .service_builder()
        .description("Takes Keepsake's commands")
        .start(SERVICE, env!("CARGO_PKG_VERSION"))
        .await
        .map_err(anyhow::Error::from_boxed)
        .context("the NATS door does not open")?;
    let endpoint = started.endpoint_builder().name("commands").queue_group(QUEUE_GROUP).add(COMMAND_SUBJECTS).await;
    let endpoint = endpoint.map_err(anyhow::Error::from_boxed).context("the NATS door does not open")?;
    Ok(Door { service: started, endpoint, executor })
}

/// Takes commands until `stop`, then finishes those that have arrived.
pub(crate) async fn run(mut door: Door, stop: CancellationToken) -> anyhow::Result<()> {
    let in_flight = Arc::new(Semaphore::new(MAX_IN_FLIGHT));
    let tasks = TaskTracker::new();
    while let Some(request) = stop.run_until_cancelled(door.endpoint.next()).await {
        let request = request.context("NATS closed the command door")?;
        take(&door.executor, &in_flight, &tasks, request).await;
    }
    // From here on commands go to another instance, or find no responder; what has arrived already is carried out.
    door.endpoint.stop().await?;
    while let Some(request) = door.endpoint.next().await {
        take(&door.executor, &in_flight, &tasks, request).await;
    }
    tasks.close();
    let drained = tokio::time::timeout(DRAIN_TIMEOUT, tasks.wait()).await;
    door.service.stop().await.map_err(anyhow::Error::from_boxed)?;
    drained.context("commands were still under way at the drain limit")
}

async fn take(executor: &Arc<Executor>, in_flight: &Arc<Semaphore>, tasks: &TaskTracker, request: ServiceRequest) {
    let (executor, permit) = (Arc::clone(executor), Arc::clone(in_flight).try_acquire_owned());
    let Ok(permit) = permit else {
        return answer(&request, Encoding::Json, Err(Fault::Overloaded)).await;
    };
    tasks.spawn(async move {
        handle(&executor, &request).await;
        drop(permit);
    });
}

async fn handle(executor: &Executor, service_request: &ServiceRequest) {
    let message = &service_request.message;
    if message.reply.as_ref().is_some_and(|reply| !reply.starts_with(INBOX_PREFIX)) {
        // Whoever answers such a subject publishes into it with this service's rights: the log's among them.
        tracing::warn!("refused a command whose reply subject is no inbox");
        return;
    }
    let encoding = encoding(message);
    let outcome = match request(message, encoding) {
        Ok(request) => executor.execute(&request).await,
        Err(problem) => Err(problem.into()),
    };
    answer(service_request, encoding, outcome).await;
}

fn request(message: &Message, encoding: Encoding) -> Result<Request, Problem> {
    let malformed =
        || Problem::bad_request("malformed_command", "a command goes to cmd.<tenant>.<facet>.<command>[.<owner>]");
    let subject = CommandSubject::parse(&message.subject).map_err(|_| malformed())?;
    let invalid = || Problem::bad_request("tenant_invalid", "a tenant is 1 to 64 characters of A-Z, a-z, 0-9, _ and -");
    let given = |name: &str| message.headers.as_ref()?.get(name).map(|value| value.as_str().as_bytes());
    Ok(Request {
        tenant: subject.tenant.parse().map_err(|_| invalid())?,
        id: decode::command_id(given(header::COMMAND_ID))?,
        command: decode::command(subject.facet, subject.command, encoding, &message.payload)?,
        owner: subject.owner.map(str::to_owned),
        correlation_id: None,
    })
}

fn encoding(message: &Message) -> Encoding {
    let content_type = message.headers.as_ref().and_then(|headers| headers.get(header::CONTENT_TYPE));
    let protobuf =
        |value: &str| value.starts_with("application/protobuf") || value.starts_with("application/x-protobuf");
    if content_type.is_some_and(|value| protobuf(value.as_str())) { Encoding::Protobuf } else { Encoding::Json }
}

/// Answers whoever asked; a plain publish asked nothing, and a fault of ours is logged on the way to a problem.
async fn answer(request: &ServiceRequest, encoding: Encoding, outcome: Result<Reply, Fault>) {
    let (headers, body) = match outcome {
        Ok(reply) => accepted(&reply, encoding),
        Err(fault) => refused(&fault.into()),
    };
    if request.message.reply.is_none() {
        return;
    }
    if let Err(error) = request.respond_with_headers(Ok(body), headers).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "a reply could not be sent");
    }
}

fn accepted(reply: &Reply, encoding: Encoding) -> (HeaderMap, Bytes) {
    let (content_type, body) = match encoding {
        Encoding::Json => ("application/json", serde_json::to_vec(reply).unwrap_or_default()),
        Encoding::Protobuf => ("application/protobuf", reply.encode_to_vec()),
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(header::COMMAND_ID, reply.id.as_str());
    (headers, Bytes::from(body))
}

fn refused(problem: &Problem) -> (HeaderMap, Bytes) {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, "application/problem+json");
    headers.insert(header::SERVICE_ERROR_CODE, problem.status().as_str());
    headers.insert(header::SERVICE_ERROR, problem.code());
    (headers, Bytes::from(problem.to_json()))
}
