//! Sends records side by side, each guest's in order: a guest belongs to one lane.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::Client;
use bytes::Bytes;
use proto::subject::{CommandSubject, Tenant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::record::{Body, Person, Record};
use super::tally::Tally;
use super::{ImportArgs, RETRY_PAUSE};
use crate::commander::{self, Outcome, Problem};

/// A try that takes longer has lost its service; the next one is the same command, so giving up early costs nothing.
const REPLY_TIMEOUT: Duration = Duration::from_secs(4);
/// Records that wait for one lane.
const LANE_CAPACITY: usize = 16;

/// A record and the line it stands in.
pub(super) struct Numbered {
    pub(super) line: u64,
    pub(super) record: Record,
    /// Already answered in an earlier run: only its guest is remembered.
    pub(super) skip: bool,
}

pub(super) struct Lanes {
    senders: Vec<mpsc::Sender<Numbered>>,
    tasks: JoinSet<()>,
}

impl Lanes {
    pub(super) fn start(client: &Client, args: &ImportArgs, content_hash: &str, tally: &Arc<Tally>) -> Self {
        let (mut senders, mut tasks) = (Vec::new(), JoinSet::new());
        for _ in 0..args.concurrency {
            let (sender, receiver) = mpsc::channel(LANE_CAPACITY);
            let lane = Lane {
                client: client.clone(),
                tenant: args.tenant.clone(),
                content_hash: content_hash.to_owned(),
                patience: Duration::from_secs(args.patience),
                tally: Arc::clone(tally),
                registered: HashSet::new(),
            };
            senders.push(sender);
            tasks.spawn(lane.run(receiver));
        }
        Self { senders, tasks }
    }

    pub(super) async fn take(&mut self, numbered: Numbered) -> anyhow::Result<()> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(&numbered.record.person);
        let lane = usize::try_from(hash % self.senders.len() as u64)?;
        // A lane that ended has left its fault with the tally, where the reader of the file finds it.
        let _ = self.senders[lane].send(numbered).await;
        Ok(())
    }

    /// Waits until everything taken is answered.
    pub(super) async fn finish(mut self) {
        self.senders.clear();
        while self.tasks.join_next().await.is_some() {}
    }
}

struct Lane {
    client: Client,
    tenant: Tenant,
    content_hash: String,
    patience: Duration,
    tally: Arc<Tally>,
    registered: HashSet<Person>,
}

/// What became of one command in the end.
enum Verdict {
    Accepted { replayed: bool },
    Rejected(Problem),
}

impl Lane {
    async fn run(mut self, mut records: mpsc::Receiver<Numbered>) {
        while let Some(numbered) = records.recv().await {
            if let Err(fault) = self.record(numbered).await {
                self.tally.fail(fault);
                return;
            }
        }
    }

    async fn record(&mut self, Numbered { line, record, skip }: Numbered) -> anyhow::Result<()> {
        let body = record.interaction();
        let first_seen = self.registered.insert(record.person.clone());
        if skip {
            return Ok(());
        }
        if first_seen || body.is_none() {
            let own_id = record.message_id.as_deref().filter(|_| body.is_none());
            let id = own_id.map_or_else(|| format!("import-{}-{line}-guest", self.content_hash), str::to_owned);
            let verdict = self.send("guest", "register", &id, &record.registration()).await?;
            if matches!(verdict, Verdict::Rejected(_)) {
                self.registered.remove(&record.person);
                return self.answer(line, &verdict);
            }
            if body.is_none() {
                return self.answer(line, &verdict);
            }
        }
        let Some(body) = body else { return Ok(()) };
        let id = record.message_id.clone().unwrap_or_else(|| format!("import-{}-{line}", self.content_hash));
        let verdict = self.send("interactions", "record", &id, &body).await?;
        self.answer(line, &verdict)
    }

    fn answer(&self, line: u64, verdict: &Verdict) -> anyhow::Result<()> {
        match verdict {
            Verdict::Accepted { replayed } => self.tally.accepted(line, *replayed)?,
            Verdict::Rejected(problem) => self.tally.rejected(line, &problem.code, &problem.detail)?,
        }
        Ok(())
    }

    /// Sends a command until it is answered for good; the id makes every try the same command.
    async fn send(&self, facet: &str, command: &str, id: &str, body: &Body<'_>) -> anyhow::Result<Verdict> {
        let subject = CommandSubject { tenant: self.tenant.as_str(), facet, command, owner: None }.to_string();
        let json = Bytes::from(serde_json::to_vec(body)?);
        let give_up = Instant::now() + self.patience;
        loop {
            let why = match commander::send(&self.client, &subject, Some(id), json.clone(), REPLY_TIMEOUT).await {
                Outcome::Accepted(reply) => return Ok(Verdict::Accepted { replayed: is_known(&reply) }),
                Outcome::Refused { problem, .. } if !problem.is_worth_retrying() => {
                    return Ok(Verdict::Rejected(problem));
                }
                Outcome::Refused { problem, .. } => problem.detail,
                Outcome::NoAnswer(why) => why.to_owned(),
            };
            anyhow::ensure!(Instant::now() < give_up, "{why}: `keepsake doctor` shows what is up");
            self.tally.waiting(&why);
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }
}

/// Whether the log had it already: replayed, or nothing to change.
fn is_known(reply: &[u8]) -> bool {
    serde_json::from_slice::<proto::Reply>(reply).is_ok_and(|reply| reply.replayed || reply.events.is_empty())
}
