//! The commit of a command that was carried out before: the log itself is the memory, the owner's state only says where to look.

use async_nats::Client;
use event_log::direct_get::StoredCommit;
use event_log::{direct_get, leader};
use proto::Commit;
use proto::subject::LogSubject;

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
    subject: &LogSubject,
    command_id: &str,
    memory: Memory,
) -> Result<Option<Original>, Fault> {
    for position in memory.at {
        let found = by_command(&at(client, position).await?, command_id)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    let Some(before) = memory.before else { return Ok(None) };
    let (mut from, mut page) = (1, direct_get::commits(client, subject, 1).await.map_err(Fault::Log)?.into_iter());
    loop {
        let next = match page.next() {
            // The replica that answered lags behind; the leader has them all.
            None => leader::next(client, subject, from).await.map_err(Fault::Log)?,
            read => read,
        };
        let Some(stored) = next else { return Ok(None) };
        let found = by_command(&stored, command_id)?;
        if stored.position >= before || found.is_some() {
            return Ok(found);
        }
        from = stored.position + 1;
    }
}

async fn at(client: &Client, position: u64) -> Result<StoredCommit, Fault> {
    if let Some(stored) = direct_get::at(client, position).await.map_err(Fault::Log)? {
        return Ok(stored);
    }
    // A replica that lags behind does not have it yet; the leader does.
    leader::at(client, position).await.map_err(Fault::Log)?.ok_or(Fault::Corrupt(position))
}

fn by_command(stored: &StoredCommit, command_id: &str) -> Result<Option<Original>, Fault> {
    let commit = decode(stored)?;
    Ok((commit.command_id == command_id).then_some(Original { position: stored.position, commit }))
}
