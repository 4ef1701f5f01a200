//! What the caller of a command is told.

use proto::{EventId, Reply};
use runtime::problem::Problem;

use crate::commit::Resolved;
use crate::error::Fault;
use crate::event_store::Original;
use crate::target::Target;

/// All but the durability, which is named last.
pub(super) fn reply(resolved: &Resolved<'_>, original: Original, replayed: bool) -> Reply {
    let Resolved { request, subject, .. } = resolved;
    let Original { position, commit } = original;
    // A batch's commits follow each other, and who has seen the last one has seen all of them.
    let behind = commit.batch.as_ref().map_or(0, |part| part.count.saturating_sub(part.index + 1));
    Reply {
        id: request.id.clone(),
        guest_id: if subject.owner.is_guest() { subject.owner.to_string() } else { String::new() },
        position,
        version: commit.version,
        events: commit.events.into_iter().map(|event| EventId { id: event.id, r#type: event.r#type }).collect(),
        durability: String::new(),
        replayed,
        consistency_token: proto::token::write(position + u64::from(behind)),
    }
}

/// The owner a sender routed by is the one its command names, or the one that stands for it by now.
pub(super) fn require_owner(named: Option<&str>, found: &Target) -> Result<(), Fault> {
    let agrees = named.is_none_or(|named| found.own.owner.as_str() == named || found.addressed.as_str() == named);
    let detail = "the owner in the subject is not the one the command is about";
    if agrees { Ok(()) } else { Err(Problem::unprocessable("owner_mismatch", detail).into()) }
}
