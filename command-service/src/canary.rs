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
    /// Of this instance alone.
    subject: LogSubject,
    /// Position of the last one; readers of the log pass over them all.
    last: Mutex<u64>,
}

impl Canary {
    pub(crate) fn new(appender: Appender) -> Self {
        let instance = Owner::instance(clock::random_id().as_u128());
        Self { appender, subject: LogSubject::new(Tenant::system(), instance), last: Mutex::default() }
    }

    /// Says what is wrong when the log has acknowledged nothing for a while and does not acknowledge now.
    pub(crate) async fn sing(&self) -> Result<(), String> {
        if self.appender.since_last_ack() < QUIET {
            return Ok(());
        }
        let mut last = self.last.lock().await;
        loop {
            let expected = *last;
            match self.append(expected).await {
                Ok(Appended::At(position)) => {
                    *last = position;
                    return Ok(());
                }
                // An earlier one that nobody waited for was stored after all.
                Ok(Appended::Conflict(Some(stored))) if stored != expected => *last = stored,
                Ok(Appended::Conflict(_) | Appended::Unclear) => {
                    return Err("the log acknowledged no commit".to_owned());
                }
                Err(fault) => return Err(fault.to_string()),
            }
        }
    }

    async fn append(&self, expected: u64) -> Result<Appended, AppendFault> {
        let command_id = format!("canary_{}", clock::ordered_id().simple());
        let commit = Commit { command_id: command_id.clone(), facet: FACET.to_owned(), ..Commit::default() };
        let payload = Bytes::from(commit.encode_to_vec());
        self.appender.append(Entry::new(&self.subject, expected, command_id, String::new(), payload)).await
    }
}
