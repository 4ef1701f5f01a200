//! Ordered read of the whole log from a position on: every commit once, in the order of their positions.
//!
//! The consumer is what async-nats calls an ordered one (in memory, no acks, one reader), driven by hand: `pull::Ordered` of
//! async-nats 0.51 restarts at the beginning of the stream when its consumer is lost before the first message, sets no timer
//! for the second of the two heartbeats it waits for, and retries for ever without a word.

use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::consumer::pull::{self, MessagesError, OrderedConfig};
use async_nats::jetstream::consumer::{DeliverPolicy, StreamError};
use async_nats::jetstream::stream::ConsumerError;
use async_nats::jetstream::{self, Context, Message};
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use proto::subject::{LOG_STREAM, LogSubject};
use tokio::task::unconstrained;

/// Twice this long without message or heartbeat, and the consumer is taken for lost.
const HEARTBEAT: Duration = Duration::from_secs(3);
const PULL_EXPIRES: Duration = Duration::from_secs(30);
/// What may be under way from the server; half of it is asked for again when half of it has come.
const PULL_MESSAGES: usize = 5_000;
const PULL_BYTES: usize = 16 * 1024 * 1024;
/// A batch ends after this many bytes of commits, however many those are.
const BATCH_BYTES: usize = 32 * 1024 * 1024;
/// Consumers made in a row that gave no message, before the caller is told.
const MAX_RESTARTS: u32 = 3;

/// One commit as it stands in the log.
#[derive(Clone, Debug)]
pub struct LogMessage {
    pub position: u64,
    pub subject: LogSubject,
    pub payload: Bytes,
    /// Commits behind this one, as the server knew when it sent it.
    pub pending: u64,
}

impl LogMessage {
    /// Whether it is a probe of the log, which no projection reads.
    pub fn is_system(&self) -> bool {
        self.subject.tenant.is_system()
    }
}

/// Why the log cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("the log cannot be read from position {from}")]
    Consumer { from: u64, source: ConsumerError },
    #[error("the log cannot be pulled from")]
    Pull(#[from] StreamError),
    #[error("the log fell silent")]
    Silent(#[source] Option<MessagesError>),
    #[error("a message of the log came without its position")]
    Unplaced(#[source] async_nats::Error),
    #[error("position {found} came after position {last}")]
    OutOfOrder { last: u64, found: u64 },
    #[error("the subject at position {position} is none of the log")]
    Subject { position: u64 },
}

/// Reads the log from one position on.
pub struct Reader {
    context: Context,
    /// Position of the last message given out.
    last: u64,
    /// How many messages the present consumer has given.
    delivered: u64,
    messages: Option<pull::Stream>,
    restarts: u32,
    /// Came out of order or unreadable, behind messages that were fine: told at the next call.
    fault: Option<ReadError>,
}

impl Reader {
    /// Begins behind position `after`; 0 begins at the start.
    pub async fn start(client: &Client, after: u64) -> Result<Self, ReadError> {
        let context = jetstream::new(client.clone());
        let mut reader = Self { context, last: after, delivered: 0, messages: None, restarts: 0, fault: None };
        reader.messages = Some(reader.consume().await?);
        Ok(reader)
    }

    /// Waits for a message, then takes what has arrived by then: at least one, at most `max`, in order.
    ///
    /// A consumer that is lost is made again behind the last message given out. After an error the reader can be asked again;
    /// [`ReadError::Subject`] comes again, since a message is never skipped.
    pub async fn next_batch(&mut self, max: usize) -> Result<Vec<LogMessage>, ReadError> {
        if let Some(fault) = self.fault.take() {
            self.messages = None;
            return Err(fault);
        }
        let first = self.next().await?;
        let mut bytes = first.payload.len();
        let mut batch = vec![first];
        while batch.len() < max && bytes < BATCH_BYTES {
            match self.arrived() {
                None => break,
                Some(Ok(message)) => {
                    bytes += message.payload.len();
                    batch.push(message);
                }
                Some(Err(fault)) => {
                    self.fault = Some(fault);
                    break;
                }
            }
        }
        Ok(batch)
    }

    async fn next(&mut self) -> Result<LogMessage, ReadError> {
        loop {
            let messages = if let Some(messages) = &mut self.messages {
                messages
            } else {
                let messages = self.consume().await?;
                self.messages.insert(messages)
            };
            let received = messages.next().await;
            match self.accept(received) {
                Ok(Some(message)) => return Ok(message),
                Ok(None) => {}
                Err(fault) => {
                    self.messages = None;
                    return Err(fault);
                }
            }
        }
    }

    /// The next message when it is here already; a lost consumer is left for [`Reader::next`] to make again.
    fn arrived(&mut self) -> Option<Result<LogMessage, ReadError>> {
        // Tokio's budget of 128 polls per turn would make every channel look empty after as many messages.
        let received = unconstrained(self.messages.as_mut()?.next()).now_or_never()?;
        self.accept(received).transpose()
    }

    /// Checks that nothing is missing and nothing comes twice; `None` when the consumer has to be made again.
    fn accept(&mut self, received: Option<Result<Message, MessagesError>>) -> Result<Option<LogMessage>, ReadError> {
        let message = match received {
            Some(Ok(message)) => message,
            Some(Err(fault)) => return self.restart(Some(fault)),
            None => return self.restart(None),
        };
        let info = message.info().map_err(ReadError::Unplaced)?;
        let (position, pending) = (info.stream_sequence, info.pending);
        if info.consumer_sequence != self.delivered + 1 {
            return self.restart(None);
        }
        if position <= self.last {
            return Err(ReadError::OutOfOrder { last: self.last, found: position });
        }
        let subject = message.subject.parse().map_err(|_| ReadError::Subject { position })?;
        (self.last, self.delivered, self.restarts) = (position, self.delivered + 1, 0);
        Ok(Some(LogMessage { position, subject, payload: message.message.payload, pending }))
    }

    fn restart(&mut self, fault: Option<MessagesError>) -> Result<Option<LogMessage>, ReadError> {
        self.messages = None;
        self.restarts += 1;
        tracing::debug!(position = self.last, restarts = self.restarts, "the consumer of the log is made again");
        if self.restarts > MAX_RESTARTS {
            self.restarts = 0;
            return Err(ReadError::Silent(fault));
        }
        Ok(None)
    }

    async fn consume(&mut self) -> Result<pull::Stream, ReadError> {
        let from = self.last + 1;
        let config = OrderedConfig {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: from },
            ..OrderedConfig::default()
        };
        let consumer = self.context.create_consumer_on_stream(pull::Config::from(config), LOG_STREAM).await;
        let consumer = consumer.map_err(|source| ReadError::Consumer { from, source })?;
        self.delivered = 0;
        let pull = consumer.stream().heartbeat(HEARTBEAT).expires(PULL_EXPIRES);
        Ok(pull.max_messages_per_batch(PULL_MESSAGES).max_bytes_per_batch(PULL_BYTES).messages().await?)
    }
}
