//! Ordered read of the whole log from a position on: every commit once, in the order of their positions.
//!
//! The consumer is what async-nats calls an ordered one (in memory, no acks, one reader), driven by hand: `pull::Ordered` of
//! async-nats 0.51 restarts at the beginning of the stream when its consumer is lost before the first message, sets no timer
//! for the second of the two heartbeats it waits for, and retries for ever without a word.

use std::time::Duration;

use async_nats::jetstream::consumer::pull::{self, MessagesError, OrderedConfig};
use async_nats::jetstream::consumer::{DeliverPolicy, StreamError};
use async_nats::jetstream::stream::ConsumerError;
use async_nats::jetstream::{self, Message};
use async_nats::{Client, Subject};
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use proto::TraceParent;
use proto::subject::{LOG_STREAM, LogSubject};
use tokio::task::unconstrained;

use crate::connect::LogError;
use crate::stream;
use crate::trace::trace_of;

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
    /// The subject as it is stored.
    pub wire_subject: Subject,
    pub payload: Bytes,
    /// Commits behind this one, as the server knew when it sent it.
    pub pending: u64,
    /// Of the command.
    pub trace: Option<TraceParent>,
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
    #[error("the log is another one, or ends before position {0}, up to which it was read")]
    Replaced(u64),
    #[error("the log cannot be asked what it is")]
    Unknown(#[source] LogError),
    #[error("the subject at position {position} is none of the log")]
    Subject { position: u64 },
}

/// Reads the log from one position on.
pub struct Reader {
    client: Client,
    /// Of the log that was read first.
    log_id: Option<String>,
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
        let client = client.clone();
        let mut reader =
            Self { client, log_id: None, last: after, delivered: 0, messages: None, restarts: 0, fault: None };
        reader.messages = Some(reader.consume().await?);
        Ok(reader)
    }

    /// Waits for a message, then takes what has arrived by then: at least one, at most `max`, in order.
    ///
    /// A consumer that is lost is made again behind the last message given out, if it is still the same log. After an error the
    /// reader can be asked again; [`ReadError::Subject`] comes again, since a message is never skipped.
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
        let subject = message.message.subject.parse().map_err(|_| ReadError::Subject { position })?;
        (self.last, self.delivered, self.restarts) = (position, self.delivered + 1, 0);
        let (trace, Message { message, .. }) = (trace_of(&message.message), message);
        let (wire_subject, payload) = (message.subject, message.payload);
        Ok(Some(LogMessage { position, subject, wire_subject, payload, pending, trace }))
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

    /// A server that was restored from a backup, or replaced, must not be read on as if nothing had happened.
    async fn check(&mut self) -> Result<(), ReadError> {
        let log = stream::info(&self.client).await.map_err(ReadError::Unknown)?;
        let known = self.log_id.get_or_insert_with(|| log.log_id.clone());
        if *known != log.log_id || log.last_position < self.last {
            return Err(ReadError::Replaced(self.last));
        }
        Ok(())
    }

    async fn consume(&mut self) -> Result<pull::Stream, ReadError> {
        self.check().await?;
        let from = self.last + 1;
        let config = OrderedConfig {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: from },
            ..OrderedConfig::default()
        };
        let context = jetstream::new(self.client.clone());
        let consumer = context.create_consumer_on_stream(pull::Config::from(config), LOG_STREAM).await;
        let consumer = consumer.map_err(|source| ReadError::Consumer { from, source })?;
        self.delivered = 0;
        let pull = consumer.stream().heartbeat(HEARTBEAT).expires(PULL_EXPIRES);
        Ok(pull.max_messages_per_batch(PULL_MESSAGES).max_bytes_per_batch(PULL_BYTES).messages().await?)
    }
}
