//! The streams beside the log: commands that wait, those that cannot be carried out, and verdicts.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::stream::{Config, DiscardPolicy, Republish, RetentionPolicy, StorageType};
use async_nats::jetstream::{self, Context};
use proto::subject::{
    DEAD_LETTER_STREAM, DEAD_LETTER_SUBJECTS, INTAKE_STREAM, INTAKE_SUBJECTS, VERDICT_STREAM, VERDICT_SUBJECTS,
    VERDICTS_STORED,
};

use crate::connect::LogError;
use crate::stream::{self, StreamOptions};

/// Metadata key of the id that tells one intake from another: a command without an id is named after it.
const INTAKE_ID: &str = "intake_id";
/// Above what a command may have, so that a larger one is refused when it is published and with a reason.
const MAX_MESSAGE_BYTES: i32 = 512 * 1024;
/// How long a verdict can be read.
const VERDICTS_KEPT: Duration = Duration::from_hours(7 * 24);
/// Of what the intake may hold, for the dead letters and for the verdicts each.
const SHARE: i64 = 4;
/// The server remembers message ids at least this long. Two tenants may use the same one, and a command is told by its own id.
const SHORTEST_DUPLICATE_WINDOW: Duration = Duration::from_millis(100);

/// What a process must know of the intake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntakeInfo {
    /// Tells one intake from another, for ever.
    pub intake_id: String,
    pub replicas: usize,
    /// Commands that wait.
    pub waiting: u64,
    /// Commands that could not be carried out.
    pub dead: u64,
}

/// Makes the streams that are not there yet.
pub async fn ensure(client: &Client, options: StreamOptions) -> Result<(), LogError> {
    let context = jetstream::new(client.clone());
    let share = StreamOptions { max_bytes: options.max_bytes / SHARE, ..options };
    for config in [intake(options), dead_letters(share), verdicts(share)] {
        if stream::lookup(&context, &config.name).await?.is_none() {
            make(&context, config, options.max_bytes, "KEEPSAKE_INTAKE_MAX_BYTES").await?;
        }
    }
    Ok(())
}

/// `setting` says how much room the stream is given.
pub(crate) async fn make(context: &Context, config: Config, max_bytes: i64, setting: &str) -> Result<(), LogError> {
    let made = stream::create(context, &config).await;
    let too_large = format!(
        "the server has no room for the {max_bytes} bytes asked for: lower {setting}, or raise its max_file_store"
    );
    made.map(drop).map_err(|error| {
        let why = if stream::is_too_large(&error) { too_large } else { error.to_string() };
        LogError::Refused("a stream beside the log could not be made", why)
    })
}

/// The intake as it stands; an error when it cannot be one.
pub async fn info(client: &Client) -> Result<IntakeInfo, LogError> {
    let context = jetstream::new(client.clone());
    stream::lookup(&context, VERDICT_STREAM).await?.ok_or_else(missing)?;
    let dead = stream::lookup(&context, DEAD_LETTER_STREAM).await?.ok_or_else(missing)?.state.messages;
    let found = stream::lookup(&context, INTAKE_STREAM).await?.ok_or_else(missing)?;
    let intake_id = found.config.metadata.get(INTAKE_ID).cloned().unwrap_or_default();
    if intake_id.is_empty() || found.config.retention != RetentionPolicy::WorkQueue {
        let advice = "`keepsake migrate` did not make it: give Keepsake a NATS account of its own".to_owned();
        return Err(LogError::Refused("the stream CMD is no intake", advice));
    }
    Ok(IntakeInfo { intake_id, replicas: found.config.num_replicas, waiting: found.state.messages, dead })
}

fn missing() -> LogError {
    LogError::Refused("the streams beside the log are not all there", "run `keepsake migrate` first".to_owned())
}

pub(crate) fn kept(name: &str, subjects: &str, description: &str, options: StreamOptions) -> Config {
    Config {
        name: name.to_owned(),
        subjects: vec![subjects.to_owned()],
        description: Some(description.to_owned()),
        storage: StorageType::File,
        max_bytes: options.max_bytes,
        num_replicas: options.replicas,
        allow_direct: true,
        ..Config::default()
    }
}

fn intake(options: StreamOptions) -> Config {
    Config {
        retention: RetentionPolicy::WorkQueue,
        discard: DiscardPolicy::New,
        max_message_size: MAX_MESSAGE_BYTES,
        duplicate_window: SHORTEST_DUPLICATE_WINDOW,
        allow_atomic_publish: true,
        metadata: HashMap::from([(INTAKE_ID.to_owned(), runtime::clock::random_id().simple().to_string())]),
        ..kept(INTAKE_STREAM, INTAKE_SUBJECTS, "Commands that are kept until they are carried out", options)
    }
}

fn dead_letters(options: StreamOptions) -> Config {
    Config {
        discard: DiscardPolicy::New,
        ..kept(DEAD_LETTER_STREAM, DEAD_LETTER_SUBJECTS, "Commands that could not be carried out", options)
    }
}

/// Shaped as a key-value bucket, so that every NATS tool reads it. What is stored is told on the plain subject too.
fn verdicts(options: StreamOptions) -> Config {
    Config {
        discard: DiscardPolicy::Old,
        max_messages_per_subject: 1,
        max_age: VERDICTS_KEPT,
        allow_rollup: true,
        deny_delete: true,
        allow_atomic_publish: true,
        republish: Some(Republish {
            source: VERDICTS_STORED.to_owned(),
            destination: VERDICT_SUBJECTS.to_owned(),
            headers_only: false,
        }),
        ..kept(VERDICT_STREAM, VERDICTS_STORED, "How commands ended that nobody waited for", options)
    }
}
