//! The state of an owner in one of its own commits, so that a load begins there and not at its birth.

use domain::State;
use proto::subject::LogSubject;
use proto::{Commit, Snapshot};
use serde::{Deserialize, Serialize};
use vault::{GuestKeys, OpenError};
use zeroize::Zeroizing;

use super::commands::Commands;
use super::loaded::{Loaded, Versions};
use crate::error::Fault;

/// Names the fold of this build; another build's snapshot is not even decoded.
pub(crate) const FINGERPRINT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/fingerprint.bin"));
/// A commit must stay below what the log takes as one message, a megabyte: enough for the ids of 400,000 commands.
pub(super) const MAX_BYTES: usize = 768 * 1024;

/// The state after the commit that carries it; the commands before that one, which knows itself.
#[derive(Serialize, Deserialize)]
struct Content<S, V, C> {
    state: S,
    versions: V,
    commands: C,
}

/// Seals `after` for the commit of this command; `None` when it has grown too large for a commit.
pub(crate) fn take(
    subject: &LogSubject,
    command_id: &str,
    after: &Loaded,
    keys: Option<&GuestKeys>,
) -> Result<Option<Snapshot>, Fault> {
    let content = Content { state: &after.state, versions: &after.versions, commands: &after.commands };
    let content = Zeroizing::new(postcard::to_allocvec(&content).map_err(|_| Fault::Unencodable)?);
    if content.len() > MAX_BYTES {
        tracing::warn!(subject = %subject, bytes = content.len(), "an owner's state has grown too large for a snapshot");
        return Ok(None);
    }
    let sealed = vault::seal_state(subject, command_id, FINGERPRINT, keys, &content);
    sealed.map(Some).map_err(Fault::unsealable(subject))
}

/// The owner as the commit's snapshot tells it; `None` when it has none that this fold can read.
pub(super) fn restore(
    subject: &LogSubject,
    position: u64,
    commit: &Commit,
    keys: Option<&GuestKeys>,
) -> Result<Option<Loaded>, Fault> {
    let Some(snapshot) = commit.snapshot.as_ref().filter(|snapshot| snapshot.fingerprint == FINGERPRINT) else {
        return Ok(None);
    };
    let content = match vault::open_state(subject, &commit.command_id, snapshot, keys) {
        Ok(content) => content,
        Err(missing @ OpenError::MissingKey { .. }) => return Err(Fault::unreadable(subject)(missing)),
        Err(error) => {
            unusable(position, &error);
            return Ok(None);
        }
    };
    match postcard::from_bytes::<Content<State, Versions, Commands>>(&content) {
        Ok(Content { state, versions, commands }) => {
            Ok(Some(Loaded::restored(state, versions, commands, commit, position)))
        }
        Err(error) => {
            unusable(position, &error);
            Ok(None)
        }
    }
}

/// The commits before it tell the same.
fn unusable(position: u64, error: &dyn std::error::Error) {
    tracing::error!(log.position = position, %error, "a snapshot cannot be read: its owner is folded from earlier commits");
}
