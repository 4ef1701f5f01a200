//! One message to a stream, and the stream's word that it is kept.

use async_nats::jetstream::{self, ErrorCode};
use async_nats::{Client, HeaderMap, Subject};
use bytes::Bytes;
use event_log::LogError;
use serde::Deserialize;

const FULL: [ErrorCode; 3] =
    [ErrorCode::STREAM_STORE_FAILED, ErrorCode::INSUFFICIENT_RESOURCES, ErrorCode::STORAGE_RESOURCES_EXCEEDED];

const OUTRUN: [ErrorCode; 2] = [ErrorCode::STREAM_WRONG_LAST_SEQUENCE, ErrorCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT];

/// A message on its way to a stream.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) subject: Subject,
    pub(crate) headers: HeaderMap,
    pub(crate) payload: Bytes,
}

/// Why a message is not known to be kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreFault {
    #[error("no stream answered")]
    NoAnswer(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the stream refused it: {0}")]
    Refused(jetstream::Error),
    #[error("the answer is no acknowledgement")]
    Malformed,
}

impl StoreFault {
    /// Whether it is certain that no stream keeps it.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self, Self::Refused(_))
    }

    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Self::Refused(error) if FULL.contains(&error.error_code()))
    }

    /// Whether somebody else's message was there first.
    pub(crate) fn is_outrun(&self) -> bool {
        matches!(self, Self::Refused(error) if OUTRUN.contains(&error.error_code()))
    }

    /// The same, as it is told of the log.
    pub(crate) fn of(self, what: &'static str) -> LogError {
        match self {
            Self::NoAnswer(error) => LogError::NoAnswer(what, error),
            Self::Refused(error) => LogError::Refused(what, error.to_string()),
            Self::Malformed => LogError::Malformed(what),
        }
    }
}

impl Outgoing {
    /// Returns once the stream keeps it.
    pub(crate) async fn store(self, client: &Client) -> Result<(), StoreFault> {
        let Self { subject, headers, payload } = self;
        let answer = client.request_with_headers(subject, headers, payload).await;
        read(&answer.map_err(|error| StoreFault::NoAnswer(error.into()))?.payload)
    }
}

/// Reads a stream's acknowledgement.
pub(crate) fn read(answer: &[u8]) -> Result<(), StoreFault> {
    #[derive(Deserialize)]
    struct PubAck {
        seq: Option<u64>,
        error: Option<jetstream::Error>,
    }
    match serde_json::from_slice(answer) {
        Ok(PubAck { error: Some(error), .. }) => Err(StoreFault::Refused(error)),
        Ok(PubAck { seq: Some(1..), .. }) => Ok(()),
        Ok(_) | Err(_) => Err(StoreFault::Malformed),
    }
}
