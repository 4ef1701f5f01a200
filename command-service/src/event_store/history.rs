//! The commit of a command that was carried out before: the log itself is the memory. Where to look, the owner's state says, and
//! for what is older than its list the command log.

use async_nats::Client;
use event_log::direct_get::StoredCommit;
use event_log::{direct_get, leader};
use proto::Commit;
use proto::subject::LogSubject;
use schema::{CommandLog, command_hash};

use super::commands::Memory;
use super::load::decode;
use crate::error::Fault;

/// A commit and where it is.
pub(crate) struct Original {
    pub(crate) position: u64,
    pub(crate) commit: Commit,
}

/// The commit of the command, if there is one where the memory points.
pub(super) async fn find(
    client: &Client,
    command_log: &CommandLog,
    subject: &LogSubject,
    command_id: &str,
    memory: Memory,
) -> Result<Option<Original>, Fault> {
    for position in memory.at {
        let found = by_command(&at(client, subject, position).await?, command_id)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    let Some(before) = memory.before else { return Ok(None) };
    let (tenant, owner, pp) = (subject.tenant.as_str(), subject.owner.as_str(), subject.partition());
    let known = command_log.find(tenant, owner, pp, command_hash(command_id)).await.map_err(Fault::CommandLog)?;
    for position in known.positions {
        let found = by_command(&at(client, subject, position).await?, command_id)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    between(client, subject, command_id, known.folded_to + 1, before).await
}

/// Looks at every commit from `from` up to `before`, page by page: the command log has not come as far.
async fn between(
    client: &Client,
    subject: &LogSubject,
    command_id: &str,
    mut from: u64,
    before: u64,
) -> Result<Option<Original>, Fault> {
    while from <= before {
        let mut page = Vec::new();
        direct_get::page(client, subject, from, &mut page).await.map_err(Fault::Log)?;
        if page.is_empty() {
            // The replica that answered lags behind; the leader has them all.
            page.extend(leader::next(client, subject, from).await.map_err(Fault::Log)?);
        }
        let Some(last) = page.last() else { return Ok(None) };
        from = last.position + 1;
        for stored in &page {
            let found = by_command(stored, command_id)?;
            if found.is_some() {
                return Ok(found);
            }
        }
    }
    Ok(None)
}

async fn at(client: &Client, subject: &LogSubject, position: u64) -> Result<StoredCommit, Fault> {
    if let Some(stored) = direct_get::at(client, subject, position).await.map_err(Fault::Log)? {
        return Ok(stored);
    }
    // A replica that lags behind does not have it yet; the leader does.
    leader::at(client, subject, position).await.map_err(Fault::Log)?.ok_or(Fault::Corrupt(position))
}

fn by_command(stored: &StoredCommit, command_id: &str) -> Result<Option<Original>, Fault> {
    let commit = decode(stored)?;
    Ok((commit.command_id == command_id).then_some(Original { position: stored.position, commit }))
}
