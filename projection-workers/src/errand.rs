//! An errand: a task that one process of all does at a time, agreed upon in Postgres by its own clock.
//!
//! Its row is no read model's: no build of one reads it or puts it back. Whoever held an errand before is fenced off by the epoch,
//! and notices by itself when it slept longer than its lease lasts.

mod run;
mod status;

use std::time::Duration;

use deadpool_postgres::Pool;
use tokio::time::Instant;
use tokio_postgres::GenericClient;

use crate::error::Fault;

pub(crate) use run::{Errand, run};
pub(crate) use status::Status;

/// Between two looks of whoever would take an errand over.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A position that moved is written this often, so much is done twice at most after a crash.
const WRITE_EVERY: Duration = Duration::from_millis(200);
const WRITE_AFTER: i64 = 1_000;
/// The lease lasts six seconds from when it was asked for; its holder trusts it for less.
const TRUSTED: Duration = Duration::from_secs(5);

/// A lease that would last longer than any was given by a clock that is not this one any more; the epoch makes taking it harmless.
const TAKE: &str = "
-- take_errand()
INSERT INTO keepsake.errand AS e (name, holder, expires_at) VALUES ($1, $2, clock_timestamp() + interval '6 s')
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, epoch = e.epoch + 1, expires_at = excluded.expires_at
WHERE e.expires_at NOT BETWEEN clock_timestamp() AND clock_timestamp() + interval '6 s'
RETURNING epoch, position";

const KEEP: &str = "
-- keep_errand()
UPDATE keepsake.errand SET position = $3, expires_at = clock_timestamp() + interval '6 s'
WHERE name = $1 AND epoch = $2 AND position IS NOT DISTINCT FROM $4";

const GIVE_UP: &str = "
-- give_up_errand()
UPDATE keepsake.errand SET expires_at = '-infinity' WHERE name = $1 AND epoch = $2";

/// Until the connection is given back.
const UNSYNCED: &str = "SET synchronous_commit = off";

/// An errand as its holder knows it.
pub(crate) struct Hold {
    pool: Pool,
    name: String,
    epoch: i64,
    /// Everything up to here is done; `None` when nothing ever was.
    position: Option<i64>,
    /// The same as Postgres has it.
    written: Option<i64>,
    since: Instant,
}

impl Hold {
    /// Takes the errand unless somebody else has it.
    pub(crate) async fn take(pool: &Pool, name: &str, holder: &str) -> Result<Option<Self>, Fault> {
        let since = Instant::now();
        let row = pool.get().await?.query_opt(TAKE, &[&name, &holder]).await?;
        let Some(row) = row else { return Ok(None) };
        let position = row.try_get("position")?;
        let (pool, name, epoch) = (pool.clone(), name.to_owned(), row.try_get("epoch")?);
        Ok(Some(Self { pool, name, epoch, position, written: position, since }))
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(crate) fn position(&self) -> Option<i64> {
        self.position
    }

    /// Everything up to `position` is done and need not be done again.
    pub(crate) fn moved(&mut self, position: i64) {
        self.position = Some(position);
    }

    /// Whether much is done that Postgres does not know of.
    pub(crate) fn is_far(&self) -> bool {
        self.position.unwrap_or_default() - self.written.unwrap_or_default() >= WRITE_AFTER
    }

    /// Waits until the position should be written or the lease renewed.
    pub(crate) async fn until_due(&self) {
        tokio::time::sleep_until(self.due()).await;
    }

    /// Whether that is so already.
    pub(crate) fn is_due(&self) -> bool {
        self.due() <= Instant::now()
    }

    fn due(&self) -> Instant {
        self.since + if self.position == self.written { LOOK_EVERY } else { WRITE_EVERY }
    }

    /// Fails when the lease may have ended: whoever slept must not go on as if nothing had happened.
    pub(crate) fn is_mine(&self) -> Result<(), Fault> {
        if self.since.elapsed() < TRUSTED { Ok(()) } else { Err(self.lost()) }
    }

    /// Writes the position and renews the lease.
    pub(crate) async fn keep(&mut self) -> Result<(), Fault> {
        let asked = Instant::now();
        let connection = self.pool.get().await?;
        // A position that is lost in a crash is an older one, behind which everything is done again under the same ids.
        connection.batch_execute(UNSYNCED).await?;
        self.keep_in(&**connection, self.position).await?;
        self.kept(self.position, asked);
        Ok(())
    }

    /// Writes this position within a transaction, to be followed by [`Hold::kept`] once that is committed.
    pub(crate) async fn keep_in(&self, client: &impl GenericClient, position: Option<i64>) -> Result<(), Fault> {
        let kept = client.execute(KEEP, &[&self.name, &self.epoch, &position, &self.written]).await?;
        if kept == 1 { Ok(()) } else { Err(self.lost()) }
    }

    /// Postgres has this position, and a lease that begins when it was asked for.
    pub(crate) fn kept(&mut self, position: Option<i64>, asked: Instant) {
        (self.position, self.written, self.since) = (position, position, asked);
    }

    /// Writes the position and lets others have the errand at once.
    pub(crate) async fn give_up(mut self) -> Result<(), Fault> {
        let kept = if self.position == self.written { Ok(()) } else { self.keep().await };
        self.pool.get().await?.execute(GIVE_UP, &[&self.name, &self.epoch]).await?;
        kept
    }

    fn lost(&self) -> Fault {
        Fault::ErrandLost(self.name.clone())
    }
}
