//! The loop: take what has arrived, open it, fold it, write it; and what to do when that fails.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use deadpool_postgres::{Object, Pool};
use event_log::read::{LogMessage, Reader};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use vault::Vault;

use crate::apply::apply;
use crate::checkpoint::{self, Checkpoint};
use crate::error::{Fault, Severity};
use crate::open::open;
use crate::status::Status;

/// Most commits of one transaction.
const BATCH: usize = 5_000;
const BEGIN_SECONDS: u64 = 15;
const APPLY_SECONDS: u64 = 30;
/// A batch may take longer than a reader's statement; the plan is made for the arrays at hand.
const SESSION: &str = "SET statement_timeout = '25s'; SET plan_cache_mode = force_custom_plan";
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const HALT_PAUSE: Duration = Duration::from_secs(10);

pub(crate) struct Worker {
    nats: Client,
    vault: Vault,
    pool: Pool,
    status: Arc<Status>,
    stop: CancellationToken,
    /// The checkpoints as they were when this worker took them over; empty until then.
    claimed: Vec<Checkpoint>,
    /// Up to this position commits are applied one by one, to find the one that cannot be.
    one_by_one_until: u64,
    /// The last fault hit a whole batch, and which of its commits is at fault is still to be found.
    narrowing: bool,
    pause: Duration,
    /// Most commits of the next transaction.
    largest: usize,
}

/// Everything that is made anew after a fault.
struct Session {
    connection: Object,
    checkpoints: Vec<Checkpoint>,
    reader: Reader,
}

impl Worker {
    /// Takes over the checkpoints. Fails when this worker must not fold; what is only away for now is waited for later.
    pub(crate) async fn start(
        nats: Client,
        vault: Vault,
        pool: Pool,
        status: Arc<Status>,
        stop: CancellationToken,
    ) -> Result<Self, Fault> {
        let (claimed, pause) = (Vec::new(), FIRST_PAUSE);
        let (one_by_one_until, narrowing, largest) = (0, false, BATCH);
        let mut worker = Self { nats, vault, pool, status, stop, claimed, one_by_one_until, narrowing, pause, largest };
        match worker.begin().await {
            Err(fault) if fault.severity() == Severity::Stop => Err(fault),
            Ok(_) | Err(_) => Ok(worker),
        }
    }

    /// Folds until the process stops, or until this worker must not fold any more.
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        let stop = self.stop.clone();
        while let Err(fault) = self.session().await {
            if fault.severity() == Severity::Stop {
                return Err(fault.into());
            }
            let pause = self.pause_after(&fault);
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Folds until the first fault; ends without one when the process stops.
    async fn session(&mut self) -> Result<(), Fault> {
        let stop = self.stop.clone();
        let Some(begun) = stop.run_until_cancelled(self.begin()).await else { return Ok(()) };
        let mut session = begun?;
        let ended = self.fold(&mut session).await;
        if ended.is_err() {
            // Whatever the connection was doing ends with it.
            drop(Object::take(session.connection));
        }
        ended
    }

    async fn begin(&mut self) -> Result<Session, Fault> {
        let begun = timeout(Duration::from_secs(BEGIN_SECONDS), self.begin_unbounded()).await;
        begun.map_err(|_| Fault::Timeout(BEGIN_SECONDS))?
    }

    async fn begin_unbounded(&mut self) -> Result<Session, Fault> {
        let connection = self.pool.get().await?;
        connection.batch_execute(SESSION).await?;
        let log = event_log::stream::info(&self.nats).await?;
        if self.claimed.is_empty() {
            // Before anything is taken over: a worker pointed at the wrong log must not end the right one.
            checkpoint::check_log(&connection, &log, &[]).await?;
            self.claimed = checkpoint::claim(&connection).await?;
        }
        let checkpoints = checkpoint::read(&connection, &self.claimed).await?;
        checkpoint::check_log(&connection, &log, &checkpoints).await?;
        let after = checkpoints.iter().map(|checkpoint| checkpoint.position).min().unwrap_or_default().cast_unsigned();
        let reader = Reader::start(&self.nats, after).await?;
        if after >= log.last_position {
            self.status.folding();
        }
        Ok(Session { connection, checkpoints, reader })
    }

    async fn fold(&mut self, session: &mut Session) -> Result<(), Fault> {
        let stop = self.stop.clone();
        loop {
            let next = session.reader.next_batch(self.batch(session));
            let Some(messages) = stop.run_until_cancelled(next).await else { return Ok(()) };
            self.fold_batch(session, messages?).await?;
            self.pause = FIRST_PAUSE;
            self.status.folding();
        }
    }

    /// Not cut short by a stop: what was taken is finished, or its time runs out.
    async fn fold_batch(&mut self, session: &mut Session, messages: Vec<LogMessage>) -> Result<(), Fault> {
        let Some(last) = messages.last().map(|message| message.position) else { return Ok(()) };
        let taken = messages.len();
        let single = taken == 1;
        let applied = timeout(Duration::from_secs(APPLY_SECONDS), async {
            let commits = open(&self.vault, messages).await?;
            apply(&mut session.connection, &mut session.checkpoints, &commits, last.cast_signed()).await
        });
        let applied = applied.await.unwrap_or(Err(Fault::Timeout(APPLY_SECONDS)));
        match &applied {
            Ok(()) => self.largest = (self.largest * 2).min(BATCH),
            // A database that is slow today gets through a smaller batch.
            Err(Fault::Timeout(_)) => self.largest = (taken / 2).max(1),
            Err(_) => {}
        }
        self.narrowing = !single && applied.as_ref().is_err_and(|fault| fault.severity() == Severity::Halt);
        if self.narrowing {
            self.one_by_one_until = last;
        }
        applied
    }

    fn batch(&self, session: &Session) -> usize {
        let folded = session.checkpoints.iter().map(|checkpoint| checkpoint.position).min().unwrap_or_default();
        if folded.cast_unsigned() < self.one_by_one_until { 1 } else { self.largest }
    }

    fn pause_after(&mut self, fault: &Fault) -> Duration {
        if std::mem::take(&mut self.narrowing) {
            return Duration::ZERO;
        }
        self.status.waiting(fault);
        if fault.severity() == Severity::Halt {
            return HALT_PAUSE;
        }
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.pause
    }
}
