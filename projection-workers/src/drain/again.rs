//! Folding commits again that were set aside, into the one read model they were set aside for.

use event_log::read::LogMessage;
use event_log::{direct_get, leader};

use super::ledger::Request;
use crate::crew::Site;
use crate::error::Fault;
use crate::open::{Opened, unpack};
use crate::projection::Batch;
use crate::projections;

pub(super) struct Again {
    pub(super) batch: Box<dyn Batch>,
    /// How many of them are in it, from the first on.
    pub(super) commits: usize,
    /// Why the next one is not.
    pub(super) stopped: Option<String>,
}

/// Folds the commits at these positions, up to the first that cannot be folded.
pub(super) async fn fold(site: &Site, request: &Request, positions: &[i64]) -> Result<Again, Fault> {
    let (commits, stopped) = opened(site, request, positions).await?;
    let empty = projections::ALL[request.projection].empty;
    let mut batch = empty();
    for (number, commit) in commits.iter().enumerate() {
        if let Err(reason) = batch.fold(commit) {
            // A part of it may be in the batch.
            let mut without = empty();
            for commit in &commits[..number] {
                without.fold(commit).map_err(|reason| Fault::Panicked(format!("it folded a moment ago: {reason}")))?;
            }
            return Ok(Again { batch: without, commits: number, stopped: Some(reason.to_string()) });
        }
    }
    Ok(Again { batch, commits: commits.len(), stopped })
}

/// The commits, up to the first that does not open, and why that one does not.
async fn opened(site: &Site, request: &Request, positions: &[i64]) -> Result<(Vec<Opened>, Option<String>), Fault> {
    let mut messages = Vec::with_capacity(positions.len());
    for position in positions {
        let position = position.cast_unsigned();
        let stored = match direct_get::at(&site.nats, &request.subject, position).await? {
            Some(stored) => stored,
            // The replica that answered lags behind; the leader has them all.
            None => leader::at(&site.nats, &request.subject, position).await?.ok_or(Fault::NotInTheLog(position))?,
        };
        let (subject, wire_subject) = (request.subject.clone(), request.subject.to_string().into());
        messages.push(LogMessage { position, subject, wire_subject, payload: stored.payload, pending: 0, trace: None });
    }
    let mut opened = Vec::with_capacity(positions.len());
    for sealed in unpack(&site.vault, messages).await? {
        match sealed.open() {
            Ok(commit) => opened.push(commit),
            Err(unopened) => return Ok((opened, Some(unopened.reason.to_string()))),
        }
    }
    Ok((opened, None))
}
