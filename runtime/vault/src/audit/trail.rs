//! Reads of personal data on their way into the trail: noted at once, stored a moment later, many as one entry.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use proto::subject::Tenant;
use runtime::clock;
use tokio_util::sync::CancellationToken;

use super::append::Entries;
use super::chain::Chain;
use super::entry::{Act, Actor, Entry};
use crate::vault::{Vault, VaultError};

/// What is noted is stored after this long.
const STORED_EVERY: Duration = Duration::from_millis(250);
/// Guests that wait to be stored, counted for each caller and kind of read: some seconds at full speed, and some 20 to 100 MB. Beyond
/// them nothing is read any more.
const MOST_WAITING: usize = 200_000;
/// Guests of one entry: about 40 kB.
const MOST_GUESTS: usize = 1_000;
/// For what is left when the process stops.
const LAST_CHANCE: Duration = Duration::from_secs(3);

/// Nothing more can be noted: the trail has not been written for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many reads wait to be recorded")]
pub struct Full;

/// The process ends before the vault is back.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the vault is away, and reads of {0} guests are not recorded")]
pub struct Unrecorded(usize);

/// Where reads are noted. Cheap to clone.
#[derive(Clone)]
pub struct Trail(Arc<Shared>);

struct Shared {
    vault: Vault,
    most_waiting: usize,
    noted: Mutex<Noted>,
}

#[derive(Default)]
struct Noted {
    reads: HashMap<Reading, Reads>,
    /// Guests noted, and those on their way.
    waiting: usize,
}

/// Reads of one kind by one actor.
#[derive(PartialEq, Eq, Hash)]
struct Reading {
    tenant: Tenant,
    by: Actor,
    act: Act,
}

struct Reads {
    guests: HashSet<String>,
    times: u64,
    first: DateTime<Utc>,
    last: DateTime<Utc>,
}

/// Entries on their way, and how many guests stand in them.
struct Waiting {
    entries: Entries,
    guests: usize,
}

impl Trail {
    pub fn new(vault: Vault) -> Self {
        Self::of(vault, MOST_WAITING)
    }

    fn of(vault: Vault, most_waiting: usize) -> Self {
        Self(Arc::new(Shared { vault, most_waiting, noted: Mutex::default() }))
    }

    /// Notes that somebody is about to be shown what is known of a guest; whoever cannot be noted must not be shown it.
    pub fn note(&self, tenant: &Tenant, by: &Actor, act: &Act, guest: &str) -> Result<(), Full> {
        let now = clock::now();
        let mut noted = self.noted();
        if noted.waiting >= self.0.most_waiting {
            return Err(Full);
        }
        let reading = Reading { tenant: tenant.clone(), by: by.clone(), act: act.clone() };
        let reads = noted.reads.entry(reading).or_insert_with(|| Reads {
            guests: HashSet::new(),
            times: 0,
            first: now,
            last: now,
        });
        reads.times += 1;
        reads.last = now;
        if !reads.guests.contains(guest) {
            reads.guests.insert(guest.to_owned());
            noted.waiting += 1;
        }
        Ok(())
    }

    /// Stores what is noted until `stop`, and what is left then.
    pub async fn store(self, stop: CancellationToken) -> Result<(), Unrecorded> {
        let mut unstored = VecDeque::new();
        while !stop.is_cancelled() {
            tokio::select! {
                () = tokio::time::sleep(STORED_EVERY) => {}
                () = stop.cancelled() => {}
            }
            self.store_once(&mut unstored).await;
        }
        let last_chance = async {
            self.store_once(&mut unstored).await;
            while !unstored.is_empty() {
                tokio::time::sleep(STORED_EVERY).await;
                self.store_once(&mut unstored).await;
            }
        };
        // What is still there says how it ended.
        let _in_time = tokio::time::timeout(LAST_CHANCE, last_chance).await;
        match unstored.iter().map(|waiting| waiting.guests).sum() {
            0 => Ok(()),
            guests => Err(Unrecorded(guests)),
        }
    }

    /// What was noted joins what could not be stored before; what cannot be now stays.
    async fn store_once(&self, unstored: &mut VecDeque<Waiting>) {
        let reads = std::mem::take(&mut self.noted().reads);
        unstored.extend(in_chains(reads));
        for _ in 0..unstored.len() {
            let Some(Waiting { entries, guests }) = unstored.front_mut() else { return };
            let Err(error) = self.0.vault.record(entries).await else {
                self.noted().waiting -= *guests;
                unstored.pop_front();
                continue;
            };
            let is_away = matches!(error, VaultError::Timeout | VaultError::Unavailable(_));
            let (chain, error) = (entries.chain(), &error as &dyn std::error::Error);
            tracing::warn!(%chain, error, "reads of personal data wait to be recorded");
            if is_away {
                return;
            }
            // A chain that takes nothing keeps no other from being written.
            unstored.rotate_left(1);
        }
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Each chain's entries by themselves, since they are added together.
fn in_chains(reads: HashMap<Reading, Reads>) -> Vec<Waiting> {
    let mut chains: HashMap<Tenant, (Vec<Entry>, usize)> = HashMap::new();
    for (Reading { tenant, by, act }, Reads { guests, times, first, last }) in reads {
        let (entries, waiting) = chains.entry(tenant).or_default();
        *waiting += guests.len();
        let mut guests: Vec<String> = guests.into_iter().collect();
        guests.sort_unstable();
        let until = (last != first).then_some(last);
        let extra = times - guests.len() as u64;
        for (part, guests) in guests.chunks(MOST_GUESTS).enumerate() {
            // The times a guest was read again are told once.
            let times = guests.len() as u64 + if part == 0 { extra } else { 0 };
            let (by, act, guests) = (by.clone(), act.clone(), guests.to_vec());
            entries.push(Entry { at: first, until, by, act, guests, times, detail: String::new() });
        }
    }
    let waiting = |(tenant, (entries, guests)): (_, (Vec<Entry>, usize))| Waiting {
        entries: Entries::new(Chain::Tenant(tenant), &entries),
        guests,
    };
    chains.into_iter().map(waiting).collect()
}

#[cfg(test)]
mod tests;
