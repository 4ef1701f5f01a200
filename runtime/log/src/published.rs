//! The stream of published events: what other services are told, kept for a week.

use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream;
use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::stream::{Config, DiscardPolicy};
use proto::subject::{PUBLISHED_STREAM, PUBLISHED_SUBJECTS, PublishedSubject};

use crate::connect::LogError;
use crate::intake::{kept, make};
use crate::permissions::Caller;
use crate::stream::{self, StreamOptions};

/// How long a published event can be read.
const KEPT: Duration = Duration::from_hours(7 * 24);
/// So long an event that is published again is known by its id and not stored twice.
const DUPLICATE_WINDOW: Duration = Duration::from_mins(2);
/// Events a caller may have under way.
const UNACKNOWLEDGED: i64 = 1_000;

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

/// Makes the consumer that a caller pulls what was published from, of its tenants' events alone; changes it when they changed.
pub async fn ensure_consumer(client: &Client, caller: &Caller) -> Result<(), LogError> {
    let config = pull::Config {
        durable_name: Some(caller.name.clone()),
        description: Some("Published events of the tenants of this caller".to_owned()),
        filter_subjects: caller.tenants.iter().map(PublishedSubject::all_of).collect(),
        ack_policy: AckPolicy::Explicit,
        max_ack_pending: UNACKNOWLEDGED,
        ..pull::Config::default()
    };
    let made = jetstream::new(client.clone()).create_consumer_on_stream(config, PUBLISHED_STREAM).await;
    made.map(drop).map_err(|error| LogError::Refused("a caller's consumer could not be made", error.to_string()))
}

/// The stream as it stands; an error when there is none.
pub async fn info(client: &Client) -> Result<PublishedInfo, LogError> {
    let missing = || LogError::Refused("there is no stream PUB", "run `keepsake migrate` first".to_owned());
    let state = stream::lookup(&jetstream::new(client.clone()), PUBLISHED_STREAM).await?.ok_or_else(missing)?.state;
    Ok(PublishedInfo { events: state.messages, last: state.last_sequence })
}
