//! The proof of the log's durability: made at the start, void after every reconnect, made again by its own task.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::{Client, Statistics};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Declared, Durability, NotDurable, monitor};
use crate::connect::{Connected, LogError};
use crate::stream;

/// How long a caller waits for the proof after a reconnect.
const WAIT: Duration = Duration::from_secs(5);
/// How long a server that was just started may take to show its configuration.
const GRACE: Duration = Duration::from_secs(4);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Why no level can be named.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unproved {
    #[error("the log cannot be asked how durable it is")]
    Log(#[source] Arc<LogError>),
    #[error(transparent)]
    NotDurable(#[from] NotDurable),
    #[error("the log was reconnected and has not shown in time how durable it is")]
    Late,
}

/// What is known of the log's durability on the present connection. Cheap to clone.
#[derive(Clone)]
pub struct DurabilityProof(Arc<Inner>);

struct Inner {
    client: Client,
    statistics: Arc<Statistics>,
    connected: Connected,
    /// A caller found the proof void: the event of a reconnect may be lost, a caller is not.
    found_void: Notify,
    monitors: Vec<String>,
    declared: Option<Declared>,
    /// The connection the level was proved on and its [`code`], for callers in a hurry; 0 when the last proof failed.
    proved: AtomicU64,
    outcome: watch::Sender<Outcome>,
}

/// What the last proof came to.
#[derive(Clone)]
struct Outcome {
    /// Which connection of the client it is about, counted from 1.
    connection: u64,
    level: Result<Durability, Unproved>,
    /// Whether the servers showed it; else some did not answer, and are asked again.
    settled: bool,
}

impl DurabilityProof {
    /// Proves the level for the first time. `monitors` are the servers' monitoring URLs, `connected` tells of reconnects.
    pub async fn establish(
        client: Client,
        connected: Connected,
        monitors: Vec<String>,
        declared: Option<Declared>,
    ) -> Result<Self, Unproved> {
        let statistics = client.statistics();
        let nothing = Outcome { connection: 0, level: Err(Unproved::Late), settled: false };
        let (outcome, proved) = (watch::Sender::new(nothing), AtomicU64::new(0));
        let found_void = Notify::new();
        let proof =
            Self(Arc::new(Inner { client, statistics, connected, found_void, monitors, declared, proved, outcome }));
        let outcome = proof.prove().await;
        proof.conclude(outcome.clone());
        outcome.level.map(|_| proof)
    }

    /// The level on the present connection. Asked after an acknowledgement, it was proved on the connection that brought the
    /// acknowledgement, or on a later one. Waits up to 5 s when there was a reconnect.
    pub async fn level(&self) -> Result<Durability, Unproved> {
        let connection = self.connection();
        let proved = self.0.proved.load(Ordering::Acquire);
        if let Some(level) = level_of(proved).filter(|_| proved >> CODE_BITS == connection) {
            return Ok(level);
        }
        let mut outcome = self.0.outcome.subscribe();
        if outcome.borrow().connection < connection {
            self.0.found_void.notify_one();
        }
        let concluded = timeout(WAIT, outcome.wait_for(|outcome| outcome.connection >= connection)).await;
        match concluded {
            Ok(Ok(outcome)) => outcome.level.clone(),
            Ok(Err(_)) | Err(_) => Err(Unproved::Late),
        }
    }

    /// Proves the level again after every reconnect, until `stop`.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let work = async {
            loop {
                if !self.is_settled() {
                    self.prove_again().await;
                }
                tokio::select! {
                    () = self.0.connected.again() => {}
                    () = self.0.found_void.notified() => {}
                }
            }
        };
        let _stopped = stop.run_until_cancelled(work).await;
        Ok(())
    }

    fn is_settled(&self) -> bool {
        let outcome = self.0.outcome.borrow();
        outcome.settled && outcome.level.is_ok() && outcome.connection == self.connection()
    }

    /// Asks until the level is proved: a server that was put right must be noticed without a restart.
    async fn prove_again(&self) {
        let (mut asked_for, mut since, mut pause) = (0, Instant::now(), FIRST_PAUSE);
        loop {
            let outcome = self.prove().await;
            if outcome.connection != asked_for {
                (asked_for, since, pause) = (outcome.connection, Instant::now(), FIRST_PAUSE);
            }
            let in_time = outcome.level.is_ok() || outcome.settled || since.elapsed() >= GRACE;
            if in_time && outcome.connection == self.connection() {
                self.conclude(outcome);
            }
            if self.is_settled() {
                return;
            }
            tokio::select! {
                () = self.0.connected.again() => {}
                () = sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
            }
        }
    }

    async fn prove(&self) -> Outcome {
        let Inner { client, monitors, declared, .. } = &*self.0;
        let connection = self.connection();
        let log = match stream::info(client).await {
            Ok(log) => log,
            Err(error) => return Outcome { connection, level: Err(Unproved::Log(error.into())), settled: false },
        };
        let synced = monitor::ask(monitors).await.judge(&log);
        let settled = synced.as_ref().err().is_none_or(NotDurable::is_seen);
        let level = synced.map(|()| Durability::Fsync).or_else(|fault| fault.unless(&log, *declared));
        Outcome { connection, level: level.map_err(Unproved::from), settled }
    }

    fn connection(&self) -> u64 {
        self.0.statistics.connects.load(Ordering::Acquire)
    }

    fn conclude(&self, outcome: Outcome) {
        let before = self.0.outcome.borrow().clone();
        let is_news = before.connection != outcome.connection || before.level.is_ok() != outcome.level.is_ok();
        match &outcome.level {
            Ok(level) if is_news => {
                let connection = outcome.connection;
                tracing::info!(
                    log.durability = level.name(),
                    log.connection = connection,
                    "the log's durability is proved"
                );
            }
            Err(error) if is_news => {
                let error: &dyn std::error::Error = error;
                tracing::error!(error, "commands are refused until the log is proved durable");
            }
            Ok(_) | Err(_) => {}
        }
        let proved = outcome.level.as_ref().map_or(0, |level| outcome.connection << CODE_BITS | code(*level));
        self.0.proved.store(proved, Ordering::Release);
        self.0.outcome.send_replace(outcome);
    }
}

const CODE_BITS: u32 = 3;

fn code(level: Durability) -> u64 {
    match level {
        Durability::Fsync => 1,
        Durability::Replicated => 2,
        Durability::Attested => 3,
        Durability::Relaxed => 4,
    }
}

fn level_of(proved: u64) -> Option<Durability> {
    let all = [Durability::Fsync, Durability::Replicated, Durability::Attested, Durability::Relaxed];
    all.into_iter().find(|level| code(*level) == proved & ((1 << CODE_BITS) - 1))
}
