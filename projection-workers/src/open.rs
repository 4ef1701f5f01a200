//! From messages to commits that can be folded: decoded once, keys fetched once, opened once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use event_log::read::LogMessage;
use prost::Message as _;
use proto::Commit;
use proto::subject::{LogSubject, Owner, Tenant};
use vault::{GuestKeys, OpenedEvent, Vault};

use crate::error::{Fault, Unfoldable};

const KEYS_TIMEOUT: Duration = Duration::from_secs(10);

type Keys = HashMap<(Tenant, Owner), Arc<GuestKeys>>;

/// A commit as projections read it.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub(crate) position: i64,
    pub(crate) command_id: String,
    pub(crate) subject: LogSubject,
    /// Virtual partition of the subject.
    pub(crate) pp: i16,
    /// Version of the commit's facet after it.
    pub(crate) version: i64,
    pub(crate) recorded_at: DateTime<Utc>,
    pub(crate) events: Vec<OpenedEvent>,
}

/// The commits in `messages`, without those of the system.
pub(crate) async fn open(vault: &Vault, messages: Vec<LogMessage>) -> Result<Vec<Opened>, Fault> {
    let commits = messages.into_iter().filter(|message| !message.is_system()).map(decode);
    let commits = commits.collect::<Result<Vec<_>, _>>()?;
    let keys = keys_of(vault, &commits).await?;
    commits.iter().map(|(message, commit)| open_one(message, commit, &keys)).collect()
}

fn decode(message: LogMessage) -> Result<(LogMessage, Commit), Fault> {
    match Commit::decode(&*message.payload) {
        Ok(commit) => Ok((message, commit)),
        Err(error) => Err(Fault::unfoldable(message.position, &message.subject, error.into())),
    }
}

async fn keys_of(vault: &Vault, commits: &[(LogMessage, Commit)]) -> Result<Keys, Fault> {
    let sealed = |commit: &Commit| commit.events.iter().any(|event| !event.sealed.is_empty());
    let guests = commits.iter().filter(|(_, commit)| sealed(commit));
    let guests = guests.map(|(message, _)| (message.subject.tenant.clone(), message.subject.owner.clone()));
    let guests: HashSet<_> = guests.collect();
    if guests.is_empty() {
        return Ok(Keys::new());
    }
    let guests: Vec<_> = guests.into_iter().collect();
    let asked = tokio::time::timeout(KEYS_TIMEOUT, vault.keys_of(&guests)).await;
    Ok(asked.map_err(|_| Fault::VaultAway("no answer in time".to_owned()))??)
}

fn open_one(message: &LogMessage, commit: &Commit, keys: &Keys) -> Result<Opened, Fault> {
    let owner = (message.subject.tenant.clone(), message.subject.owner.clone());
    let keys = keys.get(&owner).map(AsRef::as_ref);
    opened(message, commit, keys).map_err(|reason| Fault::unfoldable(message.position, &message.subject, reason))
}

fn opened(message: &LogMessage, commit: &Commit, keys: Option<&GuestKeys>) -> Result<Opened, Unfoldable> {
    Ok(Opened {
        position: message.position.cast_signed(),
        command_id: commit.command_id.clone(),
        subject: message.subject.clone(),
        pp: i16::try_from(message.subject.partition()).map_err(|_| Unfoldable::Field("pp"))?,
        version: i64::try_from(commit.version).map_err(|_| Unfoldable::Field("version"))?,
        recorded_at: instant("recorded_at", commit.recorded_at.as_ref())?,
        events: vault::open(&message.subject, commit, keys)?,
    })
}

/// The instant a timestamp names.
pub(crate) fn instant(
    field: &'static str,
    timestamp: Option<&prost_types::Timestamp>,
) -> Result<DateTime<Utc>, Unfoldable> {
    let instant = timestamp.and_then(|at| DateTime::from_timestamp(at.seconds, u32::try_from(at.nanos).ok()?));
    instant.ok_or(Unfoldable::Field(field))
}
