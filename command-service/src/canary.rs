//! Whether the log still takes commits: when it has acknowledged none for a while, one that tells nothing is appended.
//!
//! A server whose disk is full, or broken, goes on answering questions; only an append that is acknowledged proves it sound.

use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use proto::Commit;
use proto::subject::{LogSubject, Owner, Tenant};
use runtime::clock;
use tokio::sync::Mutex;

use crate::appender::{AppendFault, Appended, Appender, Entry};

const QUIET: Duration = Duration::from_secs(10);
const FACET: &str = "canary";

pub(crate) struct Canary {
    appender: Appender,
    last: Mutex<Last>,
}

/// What is known of those sung so far; readers of the log pass over them all.
struct Last {
    /// Nobody else's, and a new one after every fault.
    subject: LogSubject,
    position: u64,
}

impl Last {
    fn none() -> Self {
        let instance = Owner::instance(clock::random_id().as_u128());
        Self { subject: LogSubject::new(Tenant::system(), instance), position: 0 }
    }
}

impl Canary {
    pub(crate) fn new(appender: Appender) -> Self {
        Self { appender, last: Mutex::new(Last::none()) }
    }

    /// Says what is wrong when the log has acknowledged nothing for a while and does not acknowledge now.
    pub(crate) async fn sing(&self) -> Result<(), String> {
        if self.appender.since_last_ack() < QUIET {
            return Ok(());
        }
        let mut last = self.last.lock().await;
        if self.appender.since_last_ack() < QUIET {
            return Ok(());
        }
        // Whatever comes of it, also when nobody waits any longer: it may be stored, so the next begins where nothing can be.
        let known = std::mem::replace(&mut *last, Last::none());
        match self.append(&known).await {
            Ok(Appended::At(position)) => {
                *last = Last { position, ..known };
                Ok(())
            }
            Ok(Appended::Conflict(_) | Appended::Unclear) => Err("the log acknowledged no commit".to_owned()),
            Err(fault) => Err(fault.to_string()),
        }
    }

    async fn append(&self, last: &Last) -> Result<Appended, AppendFault> {
        let command_id = format!("canary_{}", clock::ordered_id().simple());
        let commit = Commit { command_id: command_id.clone(), facet: FACET.to_owned(), ..Commit::default() };
        let payload = Bytes::from(commit.encode_to_vec());
        self.appender.append(Entry::new(&last.subject, last.position, command_id, String::new(), payload)).await
    }
}
