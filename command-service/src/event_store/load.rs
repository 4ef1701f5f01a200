//! From the log to an owner: from its latest snapshot on, by Direct Get; what must be certain, by the leader's word.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use event_log::direct_get::{self, StoredCommit};
use event_log::leader;
use prost::Message as _;
use proto::Commit;
use proto::subject::LogSubject;
use tokio::time::Instant;
use vault::{GuestKeys, Vault};

use super::loaded::Loaded;
use super::snapshot;
use crate::error::Fault;

/// A load that takes longer leaves a snapshot for the next one: the owner's commits lie far apart.
const LONG: Duration = Duration::from_millis(20);
/// Commits looked at for a snapshot of this build before everything is folded anew: the last one, and earlier carriers.
const MAX_SNAPSHOTS: usize = 4;

/// Reads one owner.
pub(super) struct Load<'a> {
    client: &'a Client,
    subject: &'a LogSubject,
    keys: Option<Arc<GuestKeys>>,
}

impl<'a> Load<'a> {
    pub(super) async fn new(client: &'a Client, vault: &Vault, subject: &'a LogSubject) -> Result<Self, Fault> {
        Ok(Self { client, subject, keys: keys_of(vault, subject).await? })
    }

    /// The owner as far as some replica knows it.
    pub(super) async fn cold(&self) -> Result<Loaded, Fault> {
        let began = Instant::now();
        let mut loaded = match self.since_snapshot().await {
            Err(Fault::Corrupt(_)) => self.by_leader(Loaded::default(), u64::MAX).await?,
            read => read?,
        };
        if began.elapsed() > LONG {
            loaded.want_snapshot();
        }
        Ok(loaded)
    }

    /// The owner up to `target` at least, starting from what is known; the rest by the leader's word if need be.
    pub(super) async fn up_to(&self, known: &Loaded, target: u64) -> Result<Loaded, Fault> {
        let read = if known.head == 0 { self.cold().await } else { self.tail(known.clone()).await };
        match read {
            Ok(loaded) if loaded.head >= target => Ok(loaded),
            Ok(loaded) => self.by_leader(loaded, target).await,
            Err(Fault::Corrupt(_)) => self.by_leader(Loaded::default(), target).await,
            Err(fault) => Err(fault),
        }
    }

    async fn since_snapshot(&self) -> Result<Loaded, Fault> {
        let Some(mut carrier) = direct_get::last(self.client, self.subject).await.map_err(Fault::Log)? else {
            return Ok(Loaded::default());
        };
        let mut loaded = Loaded::default();
        for _ in 0..MAX_SNAPSHOTS {
            let commit = decode(&carrier)?;
            if let Some(restored) = snapshot::restore(self.subject, carrier.position, &commit, self.keys.as_deref())? {
                loaded = restored;
                break;
            }
            if commit.snapshot_position == 0 {
                break;
            }
            match direct_get::at(self.client, self.subject, commit.snapshot_position).await.map_err(Fault::Log)? {
                Some(earlier) => carrier = earlier,
                None => break,
            }
        }
        self.tail(loaded).await
    }

    async fn tail(&self, mut loaded: Loaded) -> Result<Loaded, Fault> {
        for stored in direct_get::commits(self.client, self.subject, loaded.head + 1).await.map_err(Fault::Log)? {
            self.fold(&mut loaded, &stored)?;
        }
        Ok(loaded)
    }

    async fn by_leader(&self, mut loaded: Loaded, target: u64) -> Result<Loaded, Fault> {
        while loaded.head < target {
            match leader::next(self.client, self.subject, loaded.head + 1).await.map_err(Fault::Log)? {
                Some(stored) => self.fold(&mut loaded, &stored)?,
                None => break,
            }
        }
        Ok(loaded)
    }

    fn fold(&self, loaded: &mut Loaded, stored: &StoredCommit) -> Result<(), Fault> {
        loaded.fold(self.subject, stored.position, &decode(stored)?, self.keys.as_ref())
    }
}

pub(super) fn decode(stored: &StoredCommit) -> Result<Commit, Fault> {
    Commit::decode(stored.payload.clone()).map_err(|_| Fault::Corrupt(stored.position))
}

pub(super) async fn keys_of(vault: &Vault, subject: &LogSubject) -> Result<Option<Arc<GuestKeys>>, Fault> {
    if !subject.owner.is_guest() {
        return Ok(None);
    }
    Ok(vault.keys(&subject.tenant, &subject.owner).await?)
}
