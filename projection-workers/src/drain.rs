//! Trying again what was set aside, or skipping it: by whoever holds the lane, before it folds on.

mod again;
mod ledger;

use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use tokio::time::Instant;

use crate::checkpoint::Checkpoints;
use crate::crew::Site;
use crate::error::Fault;
use crate::lane::Lane;
use crate::track::Track;
use again::Again;
use ledger::Request;

/// Commits of one transaction.
const BATCH: i64 = 500;

/// Longer than this a lane is not kept from folding at a time; the next look goes on with the request.
const SLICE: Duration = Duration::from_secs(2);

/// Does what was asked for the guests of a lane, one request after the other.
pub(crate) async fn carry_out(site: &Site, connection: &ClientWrapper, lane: Lane, track: &Track) -> Result<(), Fault> {
    let until = Instant::now() + SLICE;
    for request in ledger::requests(connection, lane, track).await? {
        if Instant::now() < until {
            let checkpoints = Checkpoints::read(connection, lane).await?;
            let partition = i16::from(request.subject.partition());
            let drained = Drain { site, connection, checkpoints, request, until }.run().await;
            site.announcer.folded([partition].into_iter().collect());
            drained?;
        }
    }
    Ok(())
}

struct Drain<'a> {
    site: &'a Site,
    connection: &'a ClientWrapper,
    /// Of the lane; to hold it.
    checkpoints: Checkpoints,
    request: Request,
    until: Instant,
}

impl Drain<'_> {
    /// Every transaction leaves a state from which the next worker, or the next look, goes on.
    async fn run(self) -> Result<(), Fault> {
        let Self { connection, checkpoints, request, .. } = &self;
        if request.skips {
            ledger::skip_first(connection, checkpoints, request).await?;
        }
        let mut largest = BATCH;
        while Instant::now() < self.until {
            let positions = ledger::waiting(connection, request, largest).await?;
            if positions.is_empty() {
                return ledger::finish(connection, checkpoints, request, None, &request.reason).await;
            }
            let Again { batch, commits, stopped } = again::fold(self.site, request, &positions).await?;
            match ledger::write(connection, checkpoints, request, &*batch, &positions[..commits]).await {
                Ok(()) => {}
                // Refused in a crowd, each is tried by itself.
                Err(fault) if fault.is_of_the_commits() && commits > 1 => {
                    largest = 1;
                    continue;
                }
                Err(fault) if fault.is_of_the_commits() => {
                    let (position, reason) = (positions.first().copied(), fault.to_string());
                    return ledger::finish(connection, checkpoints, request, position, &reason).await;
                }
                Err(fault) => return Err(fault),
            }
            if let Some(reason) = stopped {
                let position = positions.get(commits).copied();
                return ledger::finish(connection, checkpoints, request, position, &reason).await;
            }
        }
        Ok(())
    }
}
