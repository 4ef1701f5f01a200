//! Trying again what was set aside, or skipping it: by whoever holds the lane, before it folds on.

mod again;
mod ledger;

use deadpool_postgres::ClientWrapper;

use crate::checkpoint::Checkpoints;
use crate::crew::Site;
use crate::error::Fault;
use crate::lane::Lane;
use crate::projections;
use again::Again;
use ledger::Request;

/// Commits of one transaction.
const BATCH: i64 = 500;

/// Does what was asked for the guests of a lane, one request after the other.
pub(crate) async fn carry_out(site: &Site, connection: &ClientWrapper, lane: Lane) -> Result<(), Fault> {
    for request in ledger::requests(connection, lane).await? {
        let checkpoints = Checkpoints::read(connection, lane).await?;
        Drain { site, connection, checkpoints, request }.run().await?;
    }
    Ok(())
}

struct Drain<'a> {
    site: &'a Site,
    connection: &'a ClientWrapper,
    /// Of the lane; to hold it.
    checkpoints: Checkpoints,
    request: Request,
}

impl Drain<'_> {
    /// Every transaction leaves a state from which the next worker goes on.
    async fn run(self) -> Result<(), Fault> {
        let Self { connection, checkpoints, request, .. } = &self;
        let Some(projection) = projections::index_of(&request.projection) else {
            return ledger::fail(connection, checkpoints, request, 0, None, "there is no such read model").await;
        };
        if request.skips {
            ledger::skip_first(connection, checkpoints, request).await?;
        }
        let (mut folded, mut largest) = (0, BATCH);
        loop {
            let positions = ledger::waiting(connection, request, largest).await?;
            if positions.is_empty() {
                return ledger::succeed(connection, checkpoints, request, folded).await;
            }
            let Again { batch, commits, stopped } = again::fold(self.site, request, projection, &positions).await?;
            match ledger::write(connection, checkpoints, request, &*batch, &positions[..commits]).await {
                Ok(()) => folded += i64::try_from(commits).unwrap_or(i64::MAX),
                // Refused in a crowd, each is tried by itself.
                Err(fault) if fault.is_of_the_commits() && commits > 1 => {
                    largest = 1;
                    continue;
                }
                Err(fault) if fault.is_of_the_commits() => {
                    let (position, reason) = (positions.first().copied(), fault.to_string());
                    return ledger::fail(connection, checkpoints, request, folded, position, &reason).await;
                }
                Err(fault) => return Err(fault),
            }
            if let Some(reason) = stopped {
                let position = positions.get(commits).copied();
                return ledger::fail(connection, checkpoints, request, folded, position, &reason).await;
            }
        }
    }
}
