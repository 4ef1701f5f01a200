//! The callers of one connection. They are places in a list and not tasks, so that the client costs as little as it can.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::Context as _;
use async_nats::{Client, Message, Subject, Subscriber};
use futures_util::StreamExt as _;
use tokio::sync::mpsc::UnboundedReceiver;

use super::{Load, Turns};
use crate::contestant::{Contestant, Request, Verdict};
use crate::figures::micros;

/// An accepted request, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answered {
    /// Since the start of the load.
    pub(super) at: u32,
    pub(super) took: u32,
}

/// What a connection's callers were answered.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) answered: Vec<Answered>,
    pub(super) overloaded: u64,
}

pub(super) struct Connection {
    client: Client,
    contestant: Arc<dyn Contestant>,
    turns: Turns,
    answers: Subscriber,
    callers: Vec<Caller>,
    started: Instant,
    heard: Heard,
    done: Arc<AtomicU64>,
}

struct Caller {
    /// Among the callers of all connections.
    number: usize,
    inbox: Subject,
    turn: u64,
    owner: usize,
    /// When it began to wait for its answer, or should have.
    since: Instant,
}

impl Connection {
    /// The callers `first`, `first` + connections, ...
    pub(super) async fn new(
        load: &Load,
        first: usize,
        contestant: Arc<dyn Contestant>,
        started: Instant,
        done: Arc<AtomicU64>,
    ) -> anyhow::Result<Self> {
        let client = load.clients[first].clone();
        let inbox = client.new_inbox();
        let answers = client.subscribe(format!("{inbox}.*")).await?;
        let numbers = (first..load.callers).step_by(load.clients.len());
        let caller = |(index, number)| {
            let inbox = Subject::from(format!("{inbox}.{index}"));
            Caller { number, inbox, turn: 0, owner: 0, since: started }
        };
        let callers = numbers.enumerate().map(caller).collect();
        let (turns, heard) = (Arc::clone(&load.turns), Heard::default());
        Ok(Self { client, contestant, turns, answers, callers, started, heard, done })
    }

    pub(super) async fn closed(mut self, closes: Instant) -> anyhow::Result<Heard> {
        let mut waiting = 0;
        for caller in 0..self.callers.len() {
            waiting += usize::from(self.ask(caller, Instant::now()).await?);
        }
        while waiting > 0 {
            let answer = self.answers.next().await.context("the connection is closed")?;
            if let Some(caller) = self.hear(&answer).await? {
                let now = Instant::now();
                let asks_again = now < closes && self.ask(caller, now).await?;
                waiting -= usize::from(!asks_again);
            }
        }
        Ok(self.heard)
    }

    /// Sends what is `due`, as long as somebody is free to wait for it; what must wait for that is late, and counts as late.
    pub(super) async fn open(mut self, mut due: UnboundedReceiver<Instant>) -> anyhow::Result<Heard> {
        let mut free: VecDeque<usize> = (0..self.callers.len()).collect();
        let mut is_over = false;
        while !(is_over && free.len() == self.callers.len()) {
            tokio::select! {
                biased;
                answer = self.answers.next(), if free.len() < self.callers.len() => {
                    free.extend(self.hear(&answer.context("the connection is closed")?).await?);
                }
                next = due.recv(), if !is_over && !free.is_empty() => match (next, free.pop_front()) {
                    (Some(at), Some(caller)) => drop(self.ask(caller, at).await?),
                    (_, caller) => {
                        free.extend(caller);
                        is_over = true;
                    }
                },
            }
        }
        Ok(self.heard)
    }

    /// False when the caller has no more to ask.
    async fn ask(&mut self, caller: usize, since: Instant) -> anyhow::Result<bool> {
        let asking = &mut self.callers[caller];
        let Some(owner) = (self.turns)(asking.number, asking.turn) else { return Ok(false) };
        (asking.turn, asking.owner, asking.since) = (asking.turn + 1, owner, since);
        self.send(caller).await?;
        Ok(true)
    }

    async fn send(&self, caller: usize) -> anyhow::Result<()> {
        let Caller { inbox, owner, .. } = &self.callers[caller];
        let Request { subject, headers, body } = self.contestant.request(*owner);
        Ok(self.client.publish_with_reply_and_headers(subject, inbox.clone(), headers, body).await?)
    }

    /// Who is free now; whoever was told to come again is not.
    async fn hear(&mut self, answer: &Message) -> anyhow::Result<Option<usize>> {
        let place = answer.subject.rsplit('.').next().and_then(|place| place.parse().ok());
        let place: usize = place.context("an answer to nobody")?;
        let Caller { owner, since, .. } = self.callers.get(place).context("an answer to nobody")?;
        match self.contestant.judge(*owner, answer)? {
            Verdict::Accepted(_) => {
                let answered = Answered { at: micros(self.started.elapsed()), took: micros(since.elapsed()) };
                self.heard.answered.push(answered);
                self.done.fetch_add(1, Ordering::Relaxed);
                Ok(Some(place))
            }
            Verdict::Overloaded => {
                self.heard.overloaded += 1;
                self.send(place).await?;
                Ok(None)
            }
        }
    }
}
