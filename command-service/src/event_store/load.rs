//! Folding an owner's commits into its state.

use std::collections::HashMap;
use std::sync::Arc;

use async_nats::Client;
use domain::State;
use event_log::direct_get::{self, StoredCommit};
use prost::Message as _;
use proto::subject::LogSubject;
use proto::{Commit, EventId, StoredEvent};
use vault::{GuestKeys, Vault};

use crate::error::Fault;

/// An owner as the log knows it.
#[derive(Default)]
pub(crate) struct Loaded {
    pub(crate) state: State,
    /// Position of the last commit; 0 when there is none.
    pub(crate) head: u64,
    /// The owner's keys; none when it is no guest, or not known to the vault.
    pub(crate) keys: Option<Arc<GuestKeys>>,
    versions: HashMap<String, u64>,
    commands: HashMap<String, CarriedOut>,
}

/// A command of the owner's past.
pub(crate) struct CarriedOut {
    pub(crate) position: u64,
    pub(crate) request_hash: Vec<u8>,
    pub(crate) version: u64,
    pub(crate) events: Vec<EventId>,
}

impl Loaded {
    /// Count of the facet's events.
    pub(crate) fn version(&self, facet: &str) -> u64 {
        self.versions.get(facet).copied().unwrap_or(0)
    }

    pub(crate) fn carried_out(&self, command_id: &str) -> Option<&CarriedOut> {
        self.commands.get(command_id)
    }

    fn fold(&mut self, subject: &LogSubject, position: u64, commit: Commit) -> Result<(), Fault> {
        let dense = self.version(&commit.facet) + commit.events.len() as u64 == commit.version;
        if !dense || position <= self.head {
            return Err(Fault::Corrupt(position));
        }
        for opened in vault::open(subject, &commit, self.keys.as_deref())? {
            self.state = std::mem::take(&mut self.state).evolve(&opened.event);
        }
        self.head = position;
        self.versions.insert(commit.facet, commit.version);
        let events = event_ids(commit.events);
        let (version, request_hash) = (commit.version, commit.request_hash);
        self.commands.insert(commit.command_id, CarriedOut { position, request_hash, version, events });
        Ok(())
    }
}

/// What callers are told of events.
pub(crate) fn event_ids(events: Vec<StoredEvent>) -> Vec<EventId> {
    events.into_iter().map(|event| EventId { id: event.id, r#type: event.r#type }).collect()
}

pub(super) async fn load(client: &Client, vault: &Vault, subject: &LogSubject) -> Result<Loaded, Fault> {
    let commits = direct_get::commits(client, subject, 1).await.map_err(Fault::Log)?;
    let mut loaded = Loaded { keys: keys_of(vault, subject).await?, ..Loaded::default() };
    for StoredCommit { position, payload } in commits {
        let commit = Commit::decode(payload).map_err(|_| Fault::Corrupt(position))?;
        loaded.fold(subject, position, commit)?;
    }
    Ok(loaded)
}

async fn keys_of(vault: &Vault, subject: &LogSubject) -> Result<Option<Arc<GuestKeys>>, Fault> {
    if !subject.owner.is_guest() {
        return Ok(None);
    }
    let guest = (subject.tenant.clone(), subject.owner.clone());
    Ok(vault.keys_of(std::slice::from_ref(&guest)).await?.remove(&guest))
}
