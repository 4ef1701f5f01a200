//! The stream of published events: what other services are told, kept for a week.

use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream;
use async_nats::jetstream::stream::{Config, DiscardPolicy};
use proto::subject::{PUBLISHED_STREAM, PUBLISHED_SUBJECTS};

use crate::connect::LogError;
use crate::intake::{kept, make};
use crate::stream::{self, StreamOptions};

/// How long a published event can be read.
const KEPT: Duration = Duration::from_hours(7 * 24);
/// So long an event that is published again is known by its id and not stored twice.
const DUPLICATE_WINDOW: Duration = Duration::from_mins(2);

/// What is in the stream now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishedInfo {
    /// Events that can be read.
    pub events: u64,
    /// Number of the last one; 0 when there was none yet.
    pub last: u64,
}

/// Makes the stream when it is not there yet. Once it is full, the oldest events make room.
pub async fn ensure(client: &Client, options: StreamOptions) -> Result<(), LogError> {
    let context = jetstream::new(client.clone());
    if stream::lookup(&context, PUBLISHED_STREAM).await?.is_none() {
        make(&context, settings_of(options), options.max_bytes, "KEEPSAKE_PUBLISHED_MAX_BYTES").await?;
    }
    Ok(())
}

fn settings_of(options: StreamOptions) -> Config {
    Config {
        discard: DiscardPolicy::Old,
        max_age: KEPT,
        duplicate_window: DUPLICATE_WINDOW,
        allow_atomic_publish: true,
        ..kept(PUBLISHED_STREAM, PUBLISHED_SUBJECTS, "Published events: what other services are told", options)
    }
}

/// The stream as it stands; an error when there is none.
pub async fn info(client: &Client) -> Result<PublishedInfo, LogError> {
    let missing = || LogError::Refused("there is no stream PUB", "run `keepsake migrate` first".to_owned());
    let state = stream::lookup(&jetstream::new(client.clone()), PUBLISHED_STREAM).await?.ok_or_else(missing)?.state;
    Ok(PublishedInfo { events: state.messages, last: state.last_sequence })
}
