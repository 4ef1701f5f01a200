//! Reading the log in order for somebody who does something about it, with a position of his own that moves when it is done.

use std::pin::pin;
use std::time::Duration;

use async_nats::Client;
use event_log::read::{LogMessage, Reader};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::checkpoint;
use crate::due::{self, Appointment};
use crate::errand::{Errand, Hold, Status};
use crate::error::Fault;
use crate::metrics::Metrics;
use crate::outgoing::{self, Outgoing};
use crate::spans::{self, Causes};

/// Most commits that are answered to at once.
const READ: usize = 1_000;
/// Messages that are stored before the lease is looked at, even when each waits for a slow disk.
const PART: usize = 200;
/// From one store of messages to the next: each is an fsync, which the log's own appends would have to wait for. What comes after
/// a silence is stored at once.
const STORES_EVERY: Duration = Duration::from_millis(50);

/// What commits lead to.
#[derive(Default)]
pub(crate) struct Effects {
    /// Stored first: what is sent twice is told by its id.
    pub(crate) messages: Vec<Outgoing>,
    /// Made in the transaction that moves the position.
    pub(crate) appointments: Vec<Appointment>,
    /// Why it went no further; what came before is done all the same.
    pub(crate) fault: Option<(u64, Fault)>,
}

/// Where somebody begins who never was here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begins {
    WithTheLog,
    Now,
}

/// Somebody who does something about what is in the log.
pub(crate) trait Follower: Send + Sync + 'static {
    fn name(&self) -> String;

    fn begins(&self) -> Begins;

    /// What these commits lead to. None of them is a probe of the log.
    fn react(&self, commits: Vec<LogMessage>) -> impl Future<Output = Effects> + Send;
}

/// Follows the log for its follower.
pub(crate) struct Following<F> {
    pub(crate) follower: F,
    pub(crate) nats: Client,
    pub(crate) status: Status,
    pub(crate) metrics: Metrics,
}

impl<F: Follower> Errand for Following<F> {
    fn name(&self) -> String {
        self.follower.name()
    }

    async fn work(&self, hold: &mut Hold, stop: &CancellationToken) -> Result<(), Fault> {
        let mut reader = self.begin(hold).await?;
        let mut rests_until = Instant::now();
        loop {
            tokio::time::sleep_until(rests_until).await;
            let Some(messages) = next(&mut reader, hold, stop).await? else { return Ok(()) };
            let Some(last) = messages.last().map(|message| message.position) else { continue };
            let is_full = messages.len() == READ;
            let commits: Vec<_> = messages.into_iter().filter(|message| !message.is_system()).collect();
            let causes = Causes::of(&commits);
            let mut effects = self.follower.react(commits).await;
            let fault = effects.fault.take();
            let done = fault.as_ref().map_or(last, |(position, _)| position - 1);
            // Behind, there is nothing to gather.
            if !effects.messages.is_empty() && !is_full {
                rests_until = Instant::now() + STORES_EVERY;
            }
            let span = spans::errand(&self.name(), &causes, effects.messages.len(), done.cast_signed());
            let carried_out = self.carry_out(hold, effects, done.cast_signed()).instrument(span.clone()).await;
            spans::ended(&span, carried_out)?;
            if let Some((_, fault)) = fault {
                return Err(fault);
            }
            self.status.goes_on(&self.name());
            if hold.is_far() || hold.is_due() {
                hold.keep().await?;
            }
        }
    }
}

/// The next commits, with the lease renewed meanwhile; `None` when it is to stop. The read is one and the same all along: a log that
/// cannot be reached has to end it some time.
async fn next(
    reader: &mut Reader,
    hold: &mut Hold,
    stop: &CancellationToken,
) -> Result<Option<Vec<LogMessage>>, Fault> {
    let mut reading = pin!(reader.next_batch(READ));
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(None),
            () = hold.until_due() => hold.keep().await?,
            messages = &mut reading => return Ok(Some(messages?)),
        }
    }
}

impl<F: Follower> Following<F> {
    /// A reader behind what is done, of the log that the read models are folded from.
    async fn begin(&self, hold: &mut Hold) -> Result<Reader, Fault> {
        let log = event_log::stream::info(&self.nats).await?;
        let connection = hold.pool().get().await?;
        checkpoint::adopt_log(&connection, &log).await?;
        checkpoint::check_log(&connection, &log, hold.position().unwrap_or_default()).await?;
        drop(connection);
        if hold.position().is_none() {
            let first = match self.follower.begins() {
                Begins::WithTheLog => 0,
                Begins::Now => log.last_position,
            };
            hold.moved(first.cast_signed());
            hold.keep().await?;
        }
        let position = hold.position().unwrap_or_default().cast_unsigned();
        self.metrics.errand_at(&self.name(), position);
        if position >= log.last_position {
            self.status.goes_on(&self.name());
        }
        Ok(Reader::start(&self.nats, position).await?)
    }

    /// First what others keep, then the position: after a crash in between it is done again under the same ids.
    async fn carry_out(&self, hold: &mut Hold, effects: Effects, done: i64) -> Result<(), Fault> {
        for part in effects.messages.chunks(PART) {
            hold.is_mine()?;
            outgoing::store(&self.nats, part).await?;
            if hold.is_due() {
                hold.keep().await?;
            }
        }
        if effects.appointments.is_empty() {
            hold.moved(done);
        } else {
            let (asked, position) = (Instant::now(), Some(done));
            let mut connection = hold.pool().get().await?;
            let transaction = connection.transaction().await?;
            hold.keep_in(&*transaction, position).await?;
            due::arrange(&*transaction, &effects.appointments).await?;
            transaction.commit().await?;
            hold.kept(position, asked);
        }
        self.metrics.errand_at(&self.name(), done.cast_unsigned());
        self.metrics.errand_sent(&self.name(), effects.messages.len());
        Ok(())
    }
}
