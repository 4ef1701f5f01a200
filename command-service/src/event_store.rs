//! What the log promises the rules: load all an owner lived through, append only to what was loaded.

mod append;
mod load;

use async_nats::Client;
use proto::Commit;
use proto::subject::LogSubject;
use vault::Vault;

pub(crate) use append::Appended;
pub(crate) use load::{CarriedOut, Loaded, event_ids};

use crate::error::Fault;

pub(crate) struct EventStore {
    client: Client,
    vault: Vault,
}

impl EventStore {
    pub(crate) fn new(client: Client, vault: Vault) -> Self {
        Self { client, vault }
    }

    /// Everything on the owner's subject, folded.
    pub(crate) async fn load(&self, subject: &LogSubject) -> Result<Loaded, Fault> {
        load::load(&self.client, &self.vault, subject).await
    }

    /// Whether `position` is still the owner's last, by the word of the stream's leader. A refusal rests on this; an append
    /// has its guard.
    pub(crate) async fn is_head(&self, subject: &LogSubject, position: u64) -> Result<bool, Fault> {
        let head = event_log::direct_get::leader_head(&self.client, subject).await.map_err(Fault::Log)?;
        Ok(head == position)
    }

    /// Appends the commit if `expected` is still the owner's last position.
    pub(crate) async fn append(&self, subject: &LogSubject, expected: u64, commit: &Commit) -> Result<Appended, Fault> {
        append::append(&self.client, subject, expected, commit).await
    }
}
