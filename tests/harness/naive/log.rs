//! Every commit of the log, read and opened one after the other.

use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::{AckPolicy, pull};
use chrono::{DateTime, Utc};
use futures_util::StreamExt as _;
use prost::Message as _;
use prost_types::Timestamp;
use proto::subject::LogSubject;
use runtime::config::Secret;
use vault::{OpenedEvent, Vault};

use crate::harness::World;

const STREAM: &str = "EVT";
const SYSTEM_TENANT: &str = "_sys";
/// How long a message that is there may take to come.
const PATIENCE: Duration = Duration::from_mins(1);

/// A commit with its events opened.
pub(super) struct Commit {
    pub(super) position: i64,
    pub(super) tenant: String,
    pub(super) owner: String,
    pub(super) pp: i64,
    pub(super) command_id: String,
    pub(super) version: i64,
    pub(super) recorded_at: DateTime<Utc>,
    pub(super) events: Vec<OpenedEvent>,
}

/// All commits that are there now, without the services' own.
pub(super) async fn read(world: &World) -> Vec<Commit> {
    let vault = Vault::connect(&Secret::new(world.database.vault_opener.clone()), &world.key_file()).expect("a vault");
    let stream = jetstream::new(world.nats.connect().await).get_stream(STREAM).await.expect("the log");
    let last = stream.cached_info().state.last_sequence;
    let consumer = pull::Config { ack_policy: AckPolicy::None, ..pull::Config::default() };
    let consumer = stream.create_consumer(consumer).await.expect("a consumer");
    let mut messages = consumer.messages().await.expect("messages");
    let mut commits = Vec::new();
    for position in 1..=last {
        let message = tokio::time::timeout(PATIENCE, messages.next()).await.expect("comes in time");
        let message = message.expect("the log goes on").expect("a message");
        let found = message.info().expect("a position").stream_sequence;
        assert_eq!(found, position, "no message is missing or comes twice");
        if !message.subject.contains(&format!(".{SYSTEM_TENANT}.")) {
            commits.push(open(&vault, position, &message.subject, &message.payload).await);
        }
    }
    commits
}

async fn open(vault: &Vault, position: u64, subject: &str, payload: &[u8]) -> Commit {
    let [_, pp, tenant, owner] = subject.split('.').collect::<Vec<_>>()[..] else { panic!("{subject} is no owner's") };
    let place: LogSubject = subject.parse().expect("a subject of the log");
    let keys = vault.keys(&place.tenant, &place.owner).await.expect("the vault answers");
    let commit = proto::Commit::decode(payload).expect("a commit");
    Commit {
        position: position.cast_signed(),
        tenant: tenant.to_owned(),
        owner: owner.to_owned(),
        pp: pp.parse().expect("a partition"),
        version: commit.version.cast_signed(),
        recorded_at: time(commit.recorded_at.as_ref()),
        events: vault::open(&place, &commit, keys.as_deref()).expect("opens"),
        command_id: commit.command_id,
    }
}

pub(super) fn time(timestamp: Option<&Timestamp>) -> DateTime<Utc> {
    let at = timestamp.expect("a time");
    DateTime::from_timestamp(at.seconds, at.nanos.cast_unsigned()).expect("a time of the calendar")
}
