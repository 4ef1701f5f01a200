//! From messages of the log to events: decoded, and unsealed once for all projections.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use event_log::read::LogMessage;
use prost::{DecodeError, Message as _};
use proto::Commit;
use proto::subject::{LogSubject, Owner, Tenant};
use vault::{GuestKeys, OpenedEvent, Vault};

use crate::error::{Fault, Unfoldable};
use crate::proof;

const KEYS_TIMEOUT: Duration = Duration::from_secs(10);

/// One commit, readable.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub(crate) position: i64,
    pub(crate) command_id: String,
    pub(crate) facet: String,
    pub(crate) subject: LogSubject,
    /// Virtual partition of the subject.
    pub(crate) pp: i16,
    /// Version of the commit's facet after it.
    pub(crate) version: i64,
    pub(crate) recorded_at: DateTime<Utc>,
    pub(crate) events: Vec<OpenedEvent>,
}

/// One commit whose events are still sealed, and the keys to open it with.
pub(crate) struct Sealed {
    pub(crate) message: LogMessage,
    commit: Result<Commit, DecodeError>,
    keys: Option<Arc<GuestKeys>>,
}

/// A commit that does not open.
#[derive(Debug)]
pub(crate) struct Unopened {
    /// None when it is not even known which facet it is of.
    pub(crate) facet: Option<String>,
    pub(crate) reason: Unfoldable,
}

/// Decodes messages, and fetches everybody's keys in one question.
pub(crate) async fn unpack(vault: &Vault, messages: Vec<LogMessage>) -> Result<Vec<Sealed>, Fault> {
    let decoded = |message: LogMessage| {
        let commit = Commit::decode(&*message.payload);
        (message, commit)
    };
    let commits: Vec<_> = messages.into_iter().map(decoded).collect();
    let keys = keys_of(vault, &commits).await?;
    let with_keys = |(message, commit)| {
        let keys = keys.get(&guest_of(&message)).cloned();
        Sealed { message, commit, keys }
    };
    Ok(commits.into_iter().map(with_keys).collect())
}

fn guest_of(message: &LogMessage) -> (Tenant, Owner) {
    (message.subject.tenant.clone(), message.subject.owner.clone())
}

async fn keys_of(
    vault: &Vault,
    commits: &[(LogMessage, Result<Commit, DecodeError>)],
) -> Result<HashMap<(Tenant, Owner), Arc<GuestKeys>>, Fault> {
    let sealed = |commit: &Commit| commit.events.iter().any(|event| !event.sealed.is_empty());
    let is_sealed = |(_, commit): &&(LogMessage, Result<Commit, DecodeError>)| commit.as_ref().is_ok_and(sealed);
    let guests: HashSet<_> = commits.iter().filter(is_sealed).map(|(message, _)| guest_of(message)).collect();
    if guests.is_empty() {
        return Ok(HashMap::new());
    }
    let guests: Vec<_> = guests.into_iter().collect();
    let asked = tokio::time::timeout(KEYS_TIMEOUT, vault.keys_of(&guests)).await;
    Ok(asked.map_err(|_| Fault::VaultAway("no answer in time".to_owned()))??)
}

impl Sealed {
    /// Bytes that are no commit.
    #[cfg(test)]
    pub(crate) fn unreadable(position: u64) -> Self {
        use crate::given::{TENANT, guest};

        let subject = LogSubject::new(TENANT.parse().expect("a token"), guest(1));
        let (wire_subject, payload) = (subject.to_string().into(), bytes::Bytes::from_static(b"\xff"));
        let commit = Commit::decode(&*payload);
        Self {
            message: LogMessage { position, subject, wire_subject, payload, pending: 0, trace: None },
            commit,
            keys: None,
        }
    }

    /// Its part of the proof.
    pub(crate) fn mark(&self) -> u128 {
        proof::mark(self.message.position, &self.message.wire_subject, &self.message.payload)
    }

    pub(crate) fn open(&self) -> Result<Opened, Unopened> {
        let Self { message, commit, keys } = self;
        let commit = commit.as_ref().map_err(|error| Unopened { facet: None, reason: error.clone().into() })?;
        match events(message, commit, keys.as_deref()) {
            Ok((version, recorded_at, events)) => Ok(Opened {
                position: message.position.cast_signed(),
                pp: message.subject.partition().into(),
                subject: message.subject.clone(),
                version,
                recorded_at,
                events,
                command_id: commit.command_id.clone(),
                facet: commit.facet.clone(),
            }),
            Err(reason) => Err(Unopened { facet: Some(commit.facet.clone()), reason }),
        }
    }
}

/// What of a commit may not be readable: version, time, events.
fn events(
    message: &LogMessage,
    commit: &Commit,
    keys: Option<&GuestKeys>,
) -> Result<(i64, DateTime<Utc>, Vec<OpenedEvent>), Unfoldable> {
    let version = i64::try_from(commit.version).map_err(|_| Unfoldable::Field("version"))?;
    let recorded_at = instant("recorded_at", commit.recorded_at.as_ref())?;
    Ok((version, recorded_at, vault::open(&message.subject, commit, keys)?))
}

/// The instant a timestamp names.
pub(crate) fn instant(
    field: &'static str,
    timestamp: Option<&prost_types::Timestamp>,
) -> Result<DateTime<Utc>, Unfoldable> {
    let instant = timestamp.and_then(|at| DateTime::from_timestamp(at.seconds, u32::try_from(at.nanos).ok()?));
    instant.ok_or(Unfoldable::Field(field))
}
