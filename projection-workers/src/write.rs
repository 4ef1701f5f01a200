//! Writing: the rows of a batch, the checkpoints and the proof in one transaction.

use std::time::Duration;

use deadpool_postgres::Object;
use futures_util::TryFutureExt as _;
use futures_util::future::{join4, try_join_all};
use tokio::time::{Instant, timeout};
use tracing::Instrument as _;

use crate::announce::Announcer;
use crate::checkpoint::Checkpoints;
use crate::crew::Site;
use crate::drain;
use crate::error::Fault;
use crate::fold::Folded;
use crate::lane::Lane;
use crate::metrics::LaneMetrics;
use crate::pace::Pace;
use crate::parking::{self, Lot};
use crate::spans;

const WRITE_SECONDS: u64 = 30;
/// A batch may take longer than a reader's statement; the plan is made for the arrays at hand. A
/// worker that is stopped in the middle of a transaction lets go of its lane before its lease ends.
const SESSION: &str = "
SET statement_timeout = '25s'; SET plan_cache_mode = force_custom_plan;
SET idle_in_transaction_session_timeout = '4s'";

const BEGIN: &str = "BEGIN";
/// Nothing is lost when a move over commits of others is.
const BEGIN_UNSYNCED: &str = "BEGIN; SET LOCAL synchronous_commit = off";
const COMMIT: &str = "COMMIT";

/// One connection that writes the rows of one lane.
pub(crate) struct Writer {
    connection: Object,
    pub(crate) checkpoints: Checkpoints,
    /// Who is set aside.
    pub(crate) lot: Lot,
    metrics: LaneMetrics,
    announcer: Announcer,
    pub(crate) pace: Pace,
}

impl Writer {
    /// First does what somebody asked for the guests of the lane.
    pub(crate) async fn start(site: &Site, lane: Lane) -> Result<Self, Fault> {
        let (connection, checkpoints) = connect(site, lane).await?;
        drain::carry_out(site, &connection, lane, &checkpoints.track).await?;
        let checkpoints = Checkpoints::read(&connection, lane).await?;
        Self::from(connection, checkpoints, site).await
    }

    /// After a fault that is looked into at once.
    pub(crate) async fn again(site: &Site, lane: Lane) -> Result<Self, Fault> {
        let (connection, checkpoints) = connect(site, lane).await?;
        Self::from(connection, checkpoints, site).await
    }

    async fn from(connection: Object, checkpoints: Checkpoints, site: &Site) -> Result<Self, Fault> {
        let lane = checkpoints.lane;
        let lot = Lot::read(&connection, lane, &checkpoints.track).await?;
        let metrics = site.metrics.lane(lane, checkpoints.track.live().collect());
        checkpoints.tell(&metrics);
        let pace = site.paces.of(checkpoints.track.throttled);
        Ok(Self { connection, checkpoints, lot, metrics, announcer: site.announcer.clone(), pace })
    }

    /// Writes what was folded. After a fault nothing is known of what was committed: start anew from the checkpoints.
    pub(crate) async fn write(mut self, folded: Folded) -> Result<Self, Fault> {
        let turn = self.pace.turn().await;
        let began = Instant::now();
        if let Some((first, _)) = folded.recorded {
            self.metrics.taken(first);
        }
        let span = spans::batch(self.checkpoints.lane, &folded);
        let writing = self.write_unbounded(&folded).instrument(span.clone());
        let written = timeout(Duration::from_secs(WRITE_SECONDS), writing).await;
        match spans::ended(&span, written.unwrap_or(Err(Fault::Timeout(WRITE_SECONDS)))) {
            Ok(()) => {
                self.tell(&folded, began.elapsed());
                self.pace.rest(turn, began.elapsed()).await;
                Ok(self)
            }
            Err(fault) => {
                // Whatever the connection was doing ends with it.
                drop(Object::take(self.connection));
                Err(fault)
            }
        }
    }

    fn tell(&self, folded: &Folded, took: Duration) {
        if self.checkpoints.track.live().next().is_some() {
            self.announcer.folded(folded.partitions(self.checkpoints.lane));
        }
        self.checkpoints.tell(&self.metrics);
        parking::tell(&folded.aside);
        if let Some((_, last)) = folded.recorded {
            self.checkpoints.tell_applied(&self.metrics, &folded.applied());
            self.metrics.flushed(u32::try_from(folded.commits).unwrap_or(u32::MAX), took, last);
        }
    }

    async fn write_unbounded(&mut self, folded: &Folded) -> Result<(), Fault> {
        let moved = folded.moved(self.checkpoints.each());
        let opening = if folded.commits == 0 { BEGIN_UNSYNCED } else { BEGIN };
        // Polled in turn on one connection, the statements leave in one go and are answered in order.
        let batches = folded.batches.iter().enumerate();
        let flushes = batches.filter_map(|(projection, batch)| {
            let unwritten = move |fault| Fault::Unwritten { projection, fault: Box::new(fault) };
            Some(batch.as_ref()?.flush(&self.connection).map_err(unwritten))
        });
        let (begun, advanced, noted, written) = join4(
            self.connection.batch_execute(opening),
            self.checkpoints.advance(&self.connection, folded.position, &moved),
            parking::note(&self.connection, &self.checkpoints.track, &folded.aside),
            try_join_all(flushes),
        )
        .await;
        first_of([begun.map_err(Fault::from), advanced, noted, written.map(drop)])?;
        self.connection.batch_execute(COMMIT).await?;
        self.checkpoints.advanced(folded.position, &moved);
        Ok(())
    }
}

/// A connection that finds the tables of the lane's track, and where they are.
async fn connect(site: &Site, lane: Lane) -> Result<(Object, Checkpoints), Fault> {
    let connection = site.pool.get().await?;
    connection.batch_execute(SESSION).await?;
    let checkpoints = Checkpoints::read(&connection, lane).await?;
    connection.batch_execute(&checkpoints.track.search_path()).await?;
    Ok((connection, checkpoints))
}

/// The fault that broke the transaction off, not one of those that follow from it.
fn first_of(outcomes: [Result<(), Fault>; 4]) -> Result<(), Fault> {
    let mut faults: Vec<Fault> = outcomes.into_iter().filter_map(Result::err).collect();
    let first = faults.iter().position(|fault| !fault.is_of_a_broken_transaction()).unwrap_or_default();
    if faults.is_empty() { Ok(()) } else { Err(faults.swap_remove(first)) }
}
