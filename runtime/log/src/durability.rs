//! What an acknowledged append survives: proved by asking the servers, or declared by the operator, never assumed.

mod monitor;
mod proof;

use std::fmt;
use std::str::FromStr;

pub use proof::{DurabilityProof, Unproved};

use crate::stream::LogInfo;

/// Replicas from which on one lost machine loses nothing.
const REPLICATED_FROM: usize = 3;

/// What is known of an acknowledged append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// On the disk of every server that acknowledged it: seen in the servers' own configuration.
    Fsync,
    /// On several servers, some perhaps only in memory.
    Replicated,
    /// The operator vouches for it: managed NATS that shows no configuration.
    Attested,
    /// In the memory of one server: up to two minutes of commits are lost with its power.
    Relaxed,
}

impl Durability {
    pub fn name(self) -> &'static str {
        match self {
            Self::Fsync => "fsync",
            Self::Replicated => "replicated",
            Self::Attested => "attested",
            Self::Relaxed => "relaxed",
        }
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A level the operator may declare; the others must be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declared {
    Attested,
    Relaxed,
}

impl FromStr for Declared {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "attested" => Ok(Self::Attested),
            "relaxed" => Ok(Self::Relaxed),
            _ => Err(()),
        }
    }
}

/// The log loses acknowledged commits when a machine loses power.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "the log is not durable: {why}. Start nats-server with `jetstream {{ sync_interval: always }}` and set NATS_MONITOR_URL to \
     its monitoring address (several, comma-separated, in a cluster), or give the stream EVT three replicas, or set \
     KEEPSAKE_DURABILITY=attested when the operator vouches for it, or =relaxed to accept the loss"
)]
pub struct NotDurable {
    why: String,
    seen: bool,
}

impl NotDurable {
    fn seen(why: String) -> Self {
        Self { why, seen: true }
    }

    fn unseen(why: String) -> Self {
        Self { why, seen: false }
    }

    /// Whether the servers showed it themselves; else one did not answer, and may yet.
    fn is_seen(&self) -> bool {
        self.seen
    }

    /// What the log survives all the same: by its replicas, or by the operator's word.
    fn unless(self, log: &LogInfo, declared: Option<Declared>) -> Result<Durability, Self> {
        match declared {
            _ if log.replicas >= REPLICATED_FROM => Ok(Durability::Replicated),
            Some(Declared::Attested) => Ok(Durability::Attested),
            Some(Declared::Relaxed) => Ok(Durability::Relaxed),
            None => Err(self),
        }
    }
}

/// The level of the log, or why it is less than what can be promised. `monitors` are the servers' monitoring URLs.
pub async fn probe(log: &LogInfo, monitors: &[String], declared: Option<Declared>) -> Result<Durability, NotDurable> {
    let synced = monitor::ask(monitors).await.judge(log).map(|()| Durability::Fsync);
    synced.or_else(|fault| fault.unless(log, declared))
}
