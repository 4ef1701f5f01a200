//! The stream that holds the log, and what makes it one: guarded, never trimmed, never purged.

mod settings;

use std::collections::HashMap;
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::context::{CreateStreamError, CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, RetentionPolicy, StorageType, Stream};
use async_nats::jetstream::{self, Context};
use proto::subject::{LOG_STREAM, LOG_SUBJECTS};

use crate::connect::LogError;

/// Metadata key of the id that tells one log from another.
const LOG_ID: &str = "log_id";

/// How often it is asked to make a stream.
const TRIES: u32 = 5;
/// After this long a server that has just started is known to the others.
const PEERS_FIND_EACH_OTHER: Duration = Duration::from_secs(2);

/// What a server answers that has not so much storage.
const TOO_LARGE: [jetstream::ErrorCode; 2] =
    [jetstream::ErrorCode::INSUFFICIENT_RESOURCES, jetstream::ErrorCode::STORAGE_RESOURCES_EXCEEDED];

/// How the stream is made when it is not there yet.
#[derive(Clone, Copy, Debug)]
pub struct StreamOptions {
    pub replicas: usize,
    /// Below what the disk holds, so that a full log is an answer and not a silence.
    pub max_bytes: i64,
}

/// What a process must know of the log it works with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogInfo {
    /// Tells one log from another, for ever.
    pub log_id: String,
    /// Position of the last commit; 0 when there is none.
    pub last_position: u64,
    /// What its commits take on disk.
    pub bytes: u64,
    pub replicas: usize,
    /// Names of the servers that keep a copy; none when the stream was only just made.
    pub peers: Vec<String>,
}

/// Makes the stream; one that is there already is left as it is, and refused when it is no log.
pub async fn ensure(client: &Client, options: StreamOptions) -> Result<LogInfo, LogError> {
    if let Some(info) = find(client).await? {
        return Ok(info);
    }
    let made = create(&jetstream::new(client.clone()), &settings_of(options)).await;
    let made = made.map_err(|error| refused(&error, options))?;
    info_of(made.cached_info())
}

/// Makes a stream; one that is there with the same settings is left as it is. Asked again when no answer came in time, or a peer was
/// not there yet: those that have only just found each other, on machines with other things to do, take longer than a request.
pub(crate) async fn create(context: &Context, config: &Config) -> Result<Stream, CreateStreamError> {
    let mut tries = 1;
    loop {
        match context.create_stream(config.clone()).await {
            Err(error) if error.kind() == CreateStreamErrorKind::TimedOut && tries < TRIES => tries += 1,
            Err(error) if is_peer_offline(&error) && tries < TRIES => {
                tries += 1;
                tokio::time::sleep(PEERS_FIND_EACH_OTHER).await;
            }
            made => return made,
        }
    }
}

/// Too few servers for the copies asked for are another reason of the same number, and no wait helps against that.
fn is_peer_offline(error: &CreateStreamError) -> bool {
    let is_it = |error: &jetstream::Error| error.error_code() == jetstream::ErrorCode::CLUSTER_NO_PEERS;
    matches!(error.kind(), CreateStreamErrorKind::JetStream(error) if is_it(&error) && error.to_string().contains("peer offline"))
}

fn settings_of(options: StreamOptions) -> Config {
    Config {
        name: LOG_STREAM.to_owned(),
        subjects: vec![LOG_SUBJECTS.to_owned()],
        description: Some("The log: one commit per command, one subject per owner".to_owned()),
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        discard: DiscardPolicy::New,
        max_bytes: options.max_bytes,
        num_replicas: options.replicas,
        allow_direct: true,
        allow_atomic_publish: true,
        deny_purge: true,
        metadata: HashMap::from([(LOG_ID.to_owned(), runtime::clock::random_id().to_string())]),
        ..Config::default()
    }
}

fn refused(error: &CreateStreamError, options: StreamOptions) -> LogError {
    let asked = options.max_bytes;
    let too_large = format!(
        "the server keeps less than the {asked} bytes asked for: lower KEEPSAKE_LOG_MAX_BYTES, or raise its max_file_store"
    );
    let why = if is_too_large(error) { too_large } else { error.to_string() };
    LogError::Refused("the stream EVT could not be made", why)
}

/// Whether the server has less room than was asked for.
pub(crate) fn is_too_large(error: &CreateStreamError) -> bool {
    matches!(error.kind(), CreateStreamErrorKind::JetStream(error) if TOO_LARGE.contains(&error.error_code()))
}

/// The log as it stands now; an error when there is no stream yet.
pub async fn info(client: &Client) -> Result<LogInfo, LogError> {
    let missing = || LogError::Refused("there is no stream EVT", "run `keepsake migrate` first".to_owned());
    find(client).await?.ok_or_else(missing)
}

async fn find(client: &Client) -> Result<Option<LogInfo>, LogError> {
    lookup(&jetstream::new(client.clone()), LOG_STREAM).await?.as_ref().map(info_of).transpose()
}

/// What the server says of a stream, if there is one of this name.
pub(crate) async fn lookup(context: &Context, name: &str) -> Result<Option<Info>, LogError> {
    match context.get_stream(name).await {
        Ok(stream) => Ok(Some(stream.cached_info().clone())),
        Err(error) if is_missing(&error.kind()) => Ok(None),
        Err(error) => Err(LogError::NoAnswer("stream info", error.into())),
    }
}

fn is_missing(kind: &GetStreamErrorKind) -> bool {
    matches!(kind, GetStreamErrorKind::JetStream(error) if error.error_code() == jetstream::ErrorCode::STREAM_NOT_FOUND)
}

fn info_of(info: &Info) -> Result<LogInfo, LogError> {
    let mut faults = settings::faults(&info.config);
    let log_id = info.config.metadata.get(LOG_ID).cloned().unwrap_or_default();
    if log_id.is_empty() {
        faults.push("it has no log_id, so `keepsake migrate` did not make it".to_owned());
    }
    if !faults.is_empty() {
        let what = format!(
            "{}; correct it with `nats stream edit {LOG_STREAM}`, or give Keepsake a NATS account of its own",
            faults.join("; ")
        );
        return Err(LogError::Refused("the stream EVT is no log that keeps every commit", what));
    }
    let cluster = info.cluster.iter();
    let peers = cluster.flat_map(|cluster| cluster.leader.iter().chain(cluster.replicas.iter().map(|peer| &peer.name)));
    Ok(LogInfo {
        log_id,
        last_position: info.state.last_sequence,
        bytes: info.state.bytes,
        replicas: info.config.num_replicas,
        peers: peers.cloned().collect(),
    })
}
