//! Which instance empties the intake: the one whose consumer there is.
//!
//! A work queue has one consumer at most, so making it is taking hold. When it goes, so does all memory of what was delivered: the
//! next one begins with the oldest command that is in the stream, and goes on in order. The server removes a consumer that nobody
//! uses, but not while it waits for acknowledgements; so others end a hold whose holder is gone.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::jetstream::consumer::{self, AckPolicy, PullConsumer, pull};
use async_nats::jetstream::stream::ConsumerCreateStrictErrorKind;
use async_nats::jetstream::{self, Context, ErrorCode};
use async_nats::{Client, Request, RequestErrorKind, Subscriber};
use event_log::connect::Connected;
use event_log::{LogError, NatsAddress, User};
use futures_util::TryStreamExt as _;
use proto::subject::{INTAKE_STREAM, intake_holder};
use runtime::clock;

/// How long after its holder's last sign of life the server removes an idle hold.
const INACTIVE: Duration = Duration::from_secs(3);
/// After this a delivery is repeated. One that is under way is passed over then, one that is settled acknowledged again.
const ACK_WAIT: Duration = Duration::from_secs(10);
/// The holder bounds what it has under way, and most of that is purged without being acknowledged.
const UNBOUNDED: i64 = -1;
/// Looks, a second apart, at which nobody was there.
const ABSENCES: u32 = 3;
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);
const TAKEN: [ErrorCode; 2] = [ErrorCode::CONSUMER_WQ_MULTIPLE_UNFILTERED, ErrorCode::CONSUMER_WQ_CONSUMER_NOT_UNIQUE];
const ASKED: &str = "for the intake";

/// The right to empty the intake, over a connection of its own: a message that breaks the connection it comes on breaks no other.
/// It ends with the connection, on which deliveries may have been lost.
pub(super) struct Hold {
    pub(super) client: Client,
    pub(super) consumer: PullConsumer,
    connected: Connected,
    /// How often the client had connected when it took hold.
    connects: u64,
    /// By which others see that the holder is there; nobody expects an answer.
    _presence: Subscriber,
}

/// Takes hold for this instance.
pub(super) struct Holds {
    nats: Arc<NatsAddress>,
    replicas: usize,
    /// While it waits for its turn.
    client: Option<(Client, Connected)>,
    /// The hold whose holder was not there, and how often.
    absent: Option<(String, u32)>,
}

impl Holds {
    pub(super) fn new(nats: Arc<NatsAddress>, replicas: usize) -> Self {
        Self { nats, replicas, client: None, absent: None }
    }

    /// Takes hold, unless another instance has.
    pub(super) async fn take(&mut self) -> Result<Option<Hold>, LogError> {
        let (client, connected) = match self.client.take() {
            Some(waiting) => waiting,
            None => event_log::connect_and_tell(&self.nats, User::Intake, "keepsake command-service: intake").await?,
        };
        let connects = connects(&client);
        let context = jetstream::new(client.clone());
        let name = format!("command-service-{}", clock::random_id().simple());
        let presence = client.subscribe(intake_holder(&name)).await.map_err(no_answer)?;
        let error = match context.create_consumer_strict_on_stream(self.consumer(name), INTAKE_STREAM).await {
            Ok(consumer) => return Ok(Some(Hold { client, consumer, connected, connects, _presence: presence })),
            Err(error) => error,
        };
        let ConsumerCreateStrictErrorKind::JetStream(refused) = error.kind() else { return Err(no_answer(error)) };
        if !TAKEN.contains(&refused.error_code()) {
            return Err(no_answer(error));
        }
        self.look_after_holder(&client, &context).await?;
        self.client = Some((client, connected));
        Ok(None)
    }

    fn consumer(&self, name: String) -> pull::Config {
        pull::Config {
            name: Some(name),
            description: Some("The instance of command-service that empties the intake".to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            max_ack_pending: UNBOUNDED,
            inactive_threshold: INACTIVE,
            num_replicas: self.replicas,
            // Where it was is of no use to the next holder.
            memory_storage: true,
            ..pull::Config::default()
        }
    }

    /// Ends a hold whose holder was gone at several looks.
    async fn look_after_holder(&mut self, client: &Client, context: &Context) -> Result<(), LogError> {
        let stream = context.get_stream_no_info(INTAKE_STREAM).await.map_err(no_answer)?;
        let holds: Vec<consumer::Info> = stream.consumers().try_collect().await.map_err(no_answer)?;
        let before = self.absent.take();
        for hold in holds {
            if is_there(client, &hold.name).await {
                continue;
            }
            let times = before.as_ref().filter(|(name, _)| *name == hold.name).map_or(1, |(_, times)| times + 1);
            if times < ABSENCES {
                self.absent = Some((hold.name, times));
            } else {
                tracing::info!(consumer = hold.name, "the holder of the intake is gone");
                stream.delete_consumer(&hold.name).await.map_err(no_answer)?;
            }
        }
        Ok(())
    }
}

/// Only what NATS itself says counts: whoever listens is there.
async fn is_there(client: &Client, hold: &str) -> bool {
    let asked = client.send_request(intake_holder(hold), Request::new().timeout(Some(SIGN_OF_LIFE))).await;
    !asked.is_err_and(|error| error.kind() == RequestErrorKind::NoResponders)
}

impl Hold {
    pub(super) fn name(&self) -> &str {
        &self.consumer.cached_info().name
    }

    /// Returns when the connection has broken.
    pub(super) async fn broken(&self) {
        while connects(&self.client) == self.connects {
            self.connected.again().await;
        }
    }

    /// Lets go, so that another instance need not wait.
    pub(super) async fn give_up(self) {
        let context = jetstream::new(self.client.clone());
        if let Err(error) = context.delete_consumer_from_stream(self.name(), INTAKE_STREAM).await {
            tracing::debug!("the hold on the intake ends by itself: {error}");
        }
    }
}

fn connects(client: &Client) -> u64 {
    client.statistics().connects.load(Ordering::Relaxed)
}

fn no_answer(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> LogError {
    LogError::NoAnswer(ASKED, error.into())
}
