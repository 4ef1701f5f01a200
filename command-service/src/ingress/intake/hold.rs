//! Which instance empties the intake: the one whose consumer there is.
//!
//! A work queue has one consumer at most, so making it is taking hold. When it goes, so does all memory of what was delivered: the
//! next one begins with the oldest command that was not acknowledged, and goes on in order. The server removes a consumer that
//! nobody uses, but not while it waits for acknowledgements; so a hold also ends when its holder is gone.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::jetstream::consumer::{self, AckPolicy, PullConsumer, pull};
use async_nats::jetstream::stream::ConsumerCreateStrictErrorKind;
use async_nats::jetstream::{self, Context, ErrorCode};
use async_nats::{Client, RequestErrorKind};
use event_log::LogError;
use futures_util::TryStreamExt as _;
use proto::subject::INTAKE_STREAM;
use runtime::clock;

use crate::ingress::nats::discovery;

/// How long after its holder's last sign of life the server removes an idle hold.
const INACTIVE: Duration = Duration::from_secs(3);
/// Longer than a command takes. Its delivery is repeated then, which is passed over while it is under way, and otherwise means that
/// its acknowledgement was lost.
const ACK_WAIT: Duration = Duration::from_secs(10);
/// Delivered and not acknowledged, at most: what is carried out at once, and what was pulled behind it.
const MAX_ACK_PENDING: i64 = 2_500;
const TAKEN: [ErrorCode; 2] = [ErrorCode::CONSUMER_WQ_MULTIPLE_UNFILTERED, ErrorCode::CONSUMER_WQ_CONSUMER_NOT_UNIQUE];
/// Metadata key that names the holder.
const INSTANCE: &str = "instance";
const ASKED: &str = "for the intake";

/// Takes hold of the intake for one instance.
pub(super) struct Holds {
    client: Client,
    context: Context,
    replicas: usize,
    /// As it is found by others.
    instance: String,
    /// The hold whose holder was found gone the last time.
    orphan: Option<String>,
}

impl Holds {
    pub(super) fn new(client: Client, replicas: usize, instance: String) -> Self {
        Self { context: jetstream::new(client.clone()), client, replicas, instance, orphan: None }
    }

    /// Takes hold, unless another instance has.
    pub(super) async fn take(&mut self) -> Result<Option<PullConsumer>, LogError> {
        let error = match self.context.create_consumer_strict_on_stream(self.consumer(), INTAKE_STREAM).await {
            Ok(consumer) => return Ok(Some(consumer)),
            Err(error) => error,
        };
        let ConsumerCreateStrictErrorKind::JetStream(refused) = error.kind() else { return Err(no_answer(error)) };
        if !TAKEN.contains(&refused.error_code()) {
            return Err(no_answer(error));
        }
        self.end_orphans().await.map(|()| None)
    }

    fn consumer(&self) -> pull::Config {
        pull::Config {
            name: Some(format!("command-service-{}", clock::random_id().simple())),
            description: Some("The instance of command-service that empties the intake".to_owned()),
            metadata: HashMap::from([(INSTANCE.to_owned(), self.instance.clone())]),
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            max_ack_pending: MAX_ACK_PENDING,
            inactive_threshold: INACTIVE,
            num_replicas: self.replicas,
            ..pull::Config::default()
        }
    }

    /// Ends a hold whose holder was gone at two looks.
    async fn end_orphans(&mut self) -> Result<(), LogError> {
        let stream = self.context.get_stream_no_info(INTAKE_STREAM).await.map_err(no_answer)?;
        let holds: Vec<consumer::Info> = stream.consumers().try_collect().await.map_err(no_answer)?;
        let last = self.orphan.take();
        for hold in holds {
            let holder = hold.config.metadata.get(INSTANCE);
            if let Some(holder) = holder
                && self.is_there(holder).await
            {
                continue;
            }
            if last.as_ref() == Some(&hold.name) {
                tracing::info!(consumer = hold.name, "the holder of the intake is gone");
                stream.delete_consumer(&hold.name).await.map_err(no_answer)?;
            } else {
                self.orphan = Some(hold.name);
            }
        }
        Ok(())
    }

    /// Only what NATS itself says counts: who is slow to answer is there.
    async fn is_there(&self, instance: &str) -> bool {
        let asked = self.client.request(discovery::ping(instance), "".into()).await;
        !asked.is_err_and(|error| error.kind() == RequestErrorKind::NoResponders)
    }

    /// Lets go, so that another instance need not wait.
    pub(super) async fn give_up(&self, consumer: &PullConsumer) {
        let name = &consumer.cached_info().name;
        if let Err(error) = self.context.delete_consumer_from_stream(name, INTAKE_STREAM).await {
            tracing::debug!("the hold on the intake ends by itself: {error}");
        }
    }
}

fn no_answer(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> LogError {
    LogError::NoAnswer(ASKED, error.into())
}
