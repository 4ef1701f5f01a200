//! Holds what callers were told against what the log itself says.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use async_nats::Client;
use event_log::read::Reader;
use event_log::stream;
use prost::Message as _;
use proto::subject::LogSubject;
use proto::{Commit, Reply};

use super::History;

const PATIENCE: Duration = Duration::from_mins(1);
const BATCH: usize = 1_000;
/// Faults named when there are many.
const SHOWN: usize = 20;

/// One commit as it stands in the log.
#[derive(Clone, Debug)]
pub struct Entry {
    pub position: u64,
    pub subject: LogSubject,
    pub commit: Commit,
}

/// Every commit of the log, without the services' own probes of it.
pub async fn read(client: &Client) -> Vec<Entry> {
    let read = tokio::time::timeout(PATIENCE, read_unbounded(client)).await;
    read.expect("the log can be read in time")
}

async fn read_unbounded(client: &Client) -> Vec<Entry> {
    let end = stream::info(client).await.expect("the log").last_position;
    let mut reader = Reader::start(client, 0).await.expect("the log can be read");
    let (mut entries, mut reached) = (Vec::new(), 0);
    while reached < end {
        for message in reader.next_batch(BATCH).await.expect("the log can be read on") {
            reached = message.position;
            if !message.is_system() {
                let commit = Commit::decode(message.payload.clone()).expect("a commit");
                entries.push(Entry { position: message.position, subject: message.subject, commit });
            }
        }
    }
    entries
}

/// Reads the whole log and holds everything against it; answers what it read.
pub async fn verify(client: &Client, told: &History) -> Vec<Entry> {
    let entries = read(client).await;
    let faults = faults(&entries, told);
    let shown = faults.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n");
    assert!(faults.is_empty(), "{} faults in {} commits:\n{shown}", faults.len(), entries.len());
    entries
}

/// Whatever contradicts: positions rise, each facet's versions are dense, an owner's command is there once, an accepted
/// command stands where its caller was told, a refused one nowhere.
pub fn faults(log: &[Entry], told: &History) -> Vec<String> {
    let mut faults = chain_faults(log);
    let mut stored: HashMap<(&LogSubject, &str), &Entry> = HashMap::new();
    let mut of_guest: HashMap<(&str, &str), &Entry> = HashMap::new();
    for entry in log {
        let Entry { position, subject, commit } = entry;
        if let Some(first) = stored.insert((subject, &commit.command_id), entry) {
            let (id, first) = (&commit.command_id, first.position);
            faults.push(format!("command {id} of {subject} is at position {first} and again at {position}"));
        }
        of_guest.insert((subject.owner.as_str(), &commit.command_id), entry);
    }
    for reply in &told.accepted {
        let stored = of_guest.get(&(reply.guest_id.as_str(), reply.id.as_str()));
        faults.extend(reply_fault(reply, stored.copied()));
    }
    let ids: HashSet<&str> = stored.keys().map(|(_, id)| *id).collect();
    let refused = told.refused.iter().filter(|(id, _)| ids.contains(id.as_str()));
    faults
        .extend(refused.map(|(id, problem)| format!("command {id} was refused ({}), yet it is stored", problem.code)));
    faults
}

fn chain_faults(log: &[Entry]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut versions: HashMap<(&LogSubject, &str), u64> = HashMap::new();
    let mut last = 0;
    for Entry { position, subject, commit } in log {
        if *position <= last {
            faults.push(format!("position {position} comes after position {last}"));
        }
        last = *position;
        let version = versions.entry((subject, &commit.facet)).or_default();
        let expected = *version + commit.events.len() as u64;
        if commit.events.is_empty() || commit.version != expected {
            let (facet, found) = (&commit.facet, commit.version);
            faults.push(format!("position {position}: {subject} {facet} is at version {found} instead of {expected}"));
        }
        *version = commit.version;
    }
    faults
}

/// A command that changed nothing has no commit; every other one has exactly what its caller was told.
fn reply_fault(reply: &Reply, stored: Option<&Entry>) -> Option<String> {
    let id = &reply.id;
    let Some(Entry { position, commit, .. }) = stored else {
        return (!reply.events.is_empty())
            .then(|| format!("command {id} was accepted at {}, and is lost", reply.position));
    };
    let told = (reply.position, reply.version, reply.events.iter().map(|event| &event.id).collect::<Vec<_>>());
    let found = (*position, commit.version, commit.events.iter().map(|event| &event.id).collect::<Vec<_>>());
    (told != found).then(|| format!("command {id} was told {told:?}, and the log has {found:?}"))
}
