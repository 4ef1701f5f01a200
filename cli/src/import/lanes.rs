//! Sends records side by side, each guest's in order: a guest belongs to one lane.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::Client;
use bytes::Bytes;
use proto::subject::{CommandSubject, Tenant};
use tokio::sync::{mpsc, watch};
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
    tally: Arc<Tally>,
    senders: Vec<mpsc::Sender<Numbered>>,
    tasks: JoinSet<()>,
}

impl Lanes {
    pub(super) fn start(
        client: &Client,
        args: &ImportArgs,
        content_hash: &str,
        tally: &Arc<Tally>,
        interrupted: &watch::Receiver<bool>,
    ) -> Self {
        let lane = Lane {
            client: client.clone(),
            tenant: args.tenant.clone(),
            content_hash: content_hash.to_owned(),
            patience: Duration::from_secs(args.patience),
            tally: Arc::clone(tally),
            interrupted: interrupted.clone(),
            registered: HashSet::new(),
        };
        let (mut senders, mut tasks) = (Vec::new(), JoinSet::new());
        for _ in 0..args.concurrency {
            let (sender, receiver) = mpsc::channel(LANE_CAPACITY);
            senders.push(sender);
            tasks.spawn(lane.clone().run(receiver));
        }
        Self { tally: Arc::clone(tally), senders, tasks }
    }

    /// False when the guest's lane has ended; after `finish` the tally knows why.
    pub(super) async fn take(&self, numbered: Numbered) -> anyhow::Result<bool> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(&numbered.record.person);
        let lane = usize::try_from(hash % self.senders.len() as u64)?;
        Ok(self.senders[lane].send(numbered).await.is_ok())
    }

    /// Waits until everything taken is answered, or left unanswered after an interruption.
    pub(super) async fn finish(mut self) {
        self.senders.clear();
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(broken) = ended {
                self.tally.fail(anyhow::Error::new(broken).context("the import has a defect"));
            }
        }
    }
}

#[derive(Clone)]
struct Lane {
    client: Client,
    tenant: Tenant,
    content_hash: String,
    patience: Duration,
    tally: Arc<Tally>,
    interrupted: watch::Receiver<bool>,
    registered: HashSet<Person>,
}

/// What became of one command in the end.
enum Verdict {
    Accepted {
        replayed: bool,
    },
    Rejected(Problem),
    /// The import ends before anybody answered.
    Unanswered,
}

impl Lane {
    async fn run(mut self, mut records: mpsc::Receiver<Numbered>) {
        while let Some(Numbered { line, record, skip }) = records.recv().await {
            if skip {
                self.registered.insert(record.person);
                continue;
            }
            match self.record(line, &record).await.and_then(|verdict| self.answer(line, verdict)) {
                Ok(true) => {}
                Ok(false) => return,
                Err(fault) => return self.tally.fail(fault),
            }
        }
    }

    /// A person is made known before the first thing they did.
    async fn record(&mut self, line: u64, record: &Record) -> anyhow::Result<Verdict> {
        let Some(body) = record.interaction() else {
            return self.register(line, record, record.message_id.as_deref()).await;
        };
        if !self.registered.contains(&record.person) {
            let verdict = self.register(line, record, None).await?;
            if !matches!(verdict, Verdict::Accepted { .. }) {
                return Ok(verdict);
            }
        }
        let id = record.message_id.clone().unwrap_or_else(|| format!("import-{}-{line}", self.content_hash));
        self.send("interactions", "record", &id, &body).await
    }

    async fn register(&mut self, line: u64, record: &Record, own_id: Option<&str>) -> anyhow::Result<Verdict> {
        let id = own_id.map_or_else(|| format!("import-{}-{line}-guest", self.content_hash), str::to_owned);
        let verdict = self.send("guest", "register", &id, &record.registration()).await?;
        if matches!(verdict, Verdict::Accepted { .. }) {
            self.registered.insert(record.person.clone());
        }
        Ok(verdict)
    }

    /// False when there is no answer: then nothing after this record may be sent.
    fn answer(&self, line: u64, verdict: Verdict) -> anyhow::Result<bool> {
        match verdict {
            Verdict::Accepted { replayed } => self.tally.accepted(line, replayed)?,
            Verdict::Rejected(problem) => self.tally.rejected(line, &problem.code, &problem.detail)?,
            Verdict::Unanswered => return Ok(false),
        }
        Ok(true)
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
            if *self.interrupted.borrow() || self.tally.failed() {
                return Ok(Verdict::Unanswered);
            }
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
