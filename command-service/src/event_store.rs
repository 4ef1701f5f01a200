//! What the log promises the rules: know an owner as its commits tell it, append only to what was known.

mod commands;
mod history;
mod load;
mod loaded;
pub(crate) mod snapshot;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_nats::Client;
use bytes::Bytes;
use event_log::leader;
use prost::Message as _;
use proto::Commit;
use proto::subject::LogSubject;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use schema::CommandLog;
use vault::{GuestKeys, Vault};

use self::load::Load;
use crate::appender::{Appended, Appender, Entry};
use crate::error::Fault;

pub(crate) use history::Original;
pub(crate) use loaded::Loaded;

/// Owners the cache is laid out for; its bound is in bytes.
const EXPECTED_OWNERS: usize = 100_000;
/// Guests without keys that are remembered; one is enough to know that the vault has lost some.
const KEYLESS_GUESTS: usize = 1_000;

pub(crate) struct EventStore {
    client: Client,
    vault: Vault,
    command_log: CommandLog,
    appender: Appender,
    cache: Cache<LogSubject, Arc<Loaded>, Bytewise>,
    /// Guests whose keys were found missing.
    keyless: Mutex<HashSet<LogSubject>>,
    /// Held by the one who asks for them again.
    asking_again: tokio::sync::Mutex<()>,
}

/// Weighs what is cached in bytes.
#[derive(Clone)]
struct Bytewise;

impl Weighter<LogSubject, Arc<Loaded>> for Bytewise {
    fn weight(&self, subject: &LogSubject, loaded: &Arc<Loaded>) -> u64 {
        (size_of::<LogSubject>() + subject.tenant.as_str().len() + subject.owner.as_str().len() + loaded.bytes()) as u64
    }
}

/// How much an owner must be known.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reach {
    /// Up to this position.
    Position(u64),
    /// Up to what its leader knows.
    Leader,
}

impl EventStore {
    pub(crate) fn new(
        client: Client,
        vault: Vault,
        command_log: CommandLog,
        appender: Appender,
        cache_bytes: u64,
    ) -> Self {
        let cache = Cache::with_weighter(EXPECTED_OWNERS, cache_bytes, Bytewise);
        Self {
            client,
            vault,
            command_log,
            appender,
            cache,
            keyless: Mutex::default(),
            asking_again: tokio::sync::Mutex::default(),
        }
    }

    /// The owner as it was known last, or as some replica knows it: a baseline. The guard tells whether it was the newest.
    pub(crate) async fn load(&self, subject: &LogSubject) -> Result<Arc<Loaded>, Fault> {
        if let Some(loaded) = self.cache.get(subject) {
            return Ok(loaded);
        }
        // Boxed, as every seldom way is: what a command carries with it in memory is the way it usually takes.
        let load = Box::pin(async { Load::new(&self.client, &self.vault, subject).await?.cold().await });
        Ok(self.keep(subject, load.await?))
    }

    /// The owner once more, as far as asked for at least.
    pub(crate) async fn catch_up(
        &self,
        subject: &LogSubject,
        known: &Loaded,
        reach: Reach,
    ) -> Result<Arc<Loaded>, Fault> {
        let target = match reach {
            Reach::Position(position) => position,
            Reach::Leader => self.head(subject).await?,
        };
        if target == known.head {
            return Ok(self.keep(subject, known.clone()));
        }
        let load = Box::pin(async {
            let load = Load::new(&self.client, &self.vault, subject).await?;
            // Known further than the log goes: what was known is no longer in it.
            if target < known.head { load.cold().await } else { load.up_to(known, target).await }
        });
        Ok(self.keep(subject, load.await?))
    }

    /// The owner's last position by the word of the stream's leader. A refusal rests on this; an append has its guard.
    pub(crate) async fn head(&self, subject: &LogSubject) -> Result<u64, Fault> {
        leader::head(&self.client, subject).await.map_err(Fault::Log)
    }

    /// The commit of a command that was carried out before.
    pub(crate) async fn original(
        &self,
        subject: &LogSubject,
        loaded: &Loaded,
        command_id: &str,
    ) -> Result<Option<Original>, Fault> {
        match loaded.commands.recall(command_id) {
            memory if memory.is_empty() => Ok(None),
            memory => Box::pin(history::find(&self.client, &self.command_log, subject, command_id, memory)).await,
        }
    }

    /// Appends the commit if `expected` is still the owner's last position.
    pub(crate) async fn append(&self, subject: &LogSubject, expected: u64, commit: &Commit) -> Result<Appended, Fault> {
        Ok(self.appender.append(entry(subject, expected, commit)).await?)
    }

    /// Appends all of the commits or none, each if `expected` is still its owner's last position.
    pub(crate) async fn append_together(&self, commits: &[(&LogSubject, u64, &Commit)]) -> Result<Appended, Fault> {
        let entries = commits.iter().map(|(subject, expected, commit)| entry(subject, *expected, commit)).collect();
        Ok(self.appender.append_together(entries).await?)
    }

    /// Makes this the baseline of the owner's next command.
    pub(crate) fn keep(&self, subject: &LogSubject, loaded: Loaded) -> Arc<Loaded> {
        let loaded = Arc::new(loaded);
        self.cache.insert(subject.clone(), Arc::clone(&loaded));
        loaded
    }

    /// The keys of the owner; none when it is no guest, or not known to the vault.
    pub(crate) async fn keys_of(&self, subject: &LogSubject) -> Result<Option<Arc<GuestKeys>>, Fault> {
        load::keys_of(&self.vault, subject).await
    }

    /// Notes a guest whose key is gone: from then on the vault is not trusted with new guests.
    pub(crate) fn note_keyless(&self, subject: &LogSubject) {
        let mut keyless = self.keyless();
        if keyless.len() < KEYLESS_GUESTS {
            keyless.insert(subject.clone());
        }
    }

    /// Whether the vault has all keys it was asked for; guests found without are asked for again.
    pub(crate) async fn require_complete_vault(&self) -> Result<(), Fault> {
        if self.keyless().is_empty() {
            return Ok(());
        }
        let _asking = self.asking_again.lock().await;
        loop {
            let keyless = self.keyless().iter().next().cloned();
            let Some(subject) = keyless else { return Ok(()) };
            match Load::new(&self.client, &self.vault, &subject).await?.cold().await {
                Err(Fault::KeyMissing { .. }) => return Err(Fault::VaultIncomplete),
                // What else is wrong with a guest says nothing about its keys.
                Ok(_) | Err(Fault::Corrupt(_) | Fault::Unreadable(_)) => drop(self.keyless().remove(&subject)),
                Err(fault) => return Err(fault),
            }
        }
    }

    fn keyless(&self) -> MutexGuard<'_, HashSet<LogSubject>> {
        self.keyless.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn entry(subject: &LogSubject, expected: u64, commit: &Commit) -> Entry {
    let types: Vec<&str> = commit.events.iter().map(|event| event.r#type.as_str()).collect();
    let payload = Bytes::from(commit.encode_to_vec());
    Entry::new(subject, expected, commit.command_id.clone(), types.join(","), payload)
}
