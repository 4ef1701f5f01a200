//! Guests who turn out to be one, and those who do not after all. Nothing is rewritten: each guest keeps its own events.

use std::collections::BTreeSet;

use proto::guest::event::Kind as Event;
use proto::guest::{GuestAbsorbed, GuestMerged, GuestRestored, GuestUnmerged, MergeGuests, UnmergeGuests};
use serde::{Deserialize, Serialize};

use super::identifiers::ANONYMOUS;
use super::{Guest, MAX_REASON_BYTES, Registration, Rejection};
use crate::Other;
use crate::values::text;

/// Guests that are read as one at most; with it a chain of merges is no longer, either.
pub const MOST_MEMBERS: u32 = 100;

const FIELD: &str = "attributes";

/// One that was not undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Merge {
    pub(super) id: String,
    pub(super) absorbed_ids: Vec<String>,
    members: u32,
    /// Kinds of identifiers the absorbed ones are known by.
    namespaces: Vec<String>,
}

impl Merge {
    pub(super) fn of(merged: &GuestMerged) -> Self {
        let GuestMerged { merge_id: id, absorbed_ids, members, namespaces, .. } = merged.clone();
        Self { id, absorbed_ids, members, namespaces }
    }

    pub(super) fn bytes(&self) -> usize {
        let texts = self.absorbed_ids.iter().chain(&self.namespaces).map(String::len);
        size_of::<Self>() + self.id.len() + texts.sum::<usize>()
    }
}

/// Whose part a guest is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbsorbedInto {
    pub survivor_id: String,
    pub merge_id: String,
}

/// How a merge came about.
#[derive(Clone, Copy)]
pub(super) enum Cause<'a> {
    /// Somebody said so.
    Merge { preferred: &'a [String], reason: &'a str },
    /// A login showed it.
    Identify,
}

/// Merges the other guest into this one.
pub(super) fn merge(
    known: &Registration,
    command: &MergeGuests,
    other: Option<Other<'_>>,
) -> Result<Vec<Event>, crate::Rejection> {
    let reason = text::line("reason", &command.reason, MAX_REASON_BYTES)?;
    match other {
        None => Err(Rejection::NotFound.into()),
        Some(Other::Part) => Ok(Vec::new()),
        Some(Other::Guest { id, state, merge_id }) => {
            let cause = Cause::Merge { preferred: &command.prefer_absorbed, reason: &reason };
            Ok(vec![Event::GuestMerged(united(known, id, state.guest.registration()?, merge_id, cause)?)])
        }
    }
}

/// What the survivor says of a merge.
pub(super) fn united(
    known: &Registration,
    absorbed_id: &str,
    absorbed: &Registration,
    merge_id: &str,
    cause: Cause<'_>,
) -> Result<GuestMerged, crate::Rejection> {
    if known.absorbed_into.is_some() || absorbed.absorbed_into.is_some() {
        return Err(Rejection::MergedAlready.into());
    }
    let members = absorbed.members();
    if known.members() + members > MOST_MEMBERS {
        return Err(Rejection::TooManyMembers.into());
    }
    let (cause, preferred, reason) = match cause {
        Cause::Merge { preferred, reason } => ("merge", preferred, reason),
        Cause::Identify => ("identify", [].as_slice(), ""),
    };
    let offered = absorbed.attributes.text();
    let preferred = known.attributes.shared_with(offered, preferred)?;
    let (before, after) = (known.attributes.attributes()?, known.attributes.with(offered, &preferred)?);
    Ok(GuestMerged {
        absorbed_ids: vec![absorbed_id.to_owned()],
        merge_id: merge_id.to_owned(),
        attributes: after.text(FIELD)?,
        offered: offered.to_owned(),
        preferred,
        changed: before.changed(&after),
        members,
        cause: cause.to_owned(),
        reason: reason.to_owned(),
        namespaces: absorbed.namespaces().into_iter().map(str::to_owned).collect(),
    })
}

/// Undoes a merge in which this guest is the survivor.
pub(super) fn unmerge(known: &Registration, command: &UnmergeGuests) -> Result<Vec<Event>, crate::Rejection> {
    let reason = text::line("reason", &command.reason, MAX_REASON_BYTES)?;
    let merge = known.merges.iter().find(|merge| merge.id == command.merge_id);
    let merge = merge.ok_or(Rejection::MergeNotFound)?;
    if known.absorbed_into.is_some() {
        return Err(Rejection::MergedFurther.into());
    }
    let (before, after) = (known.attributes.attributes()?, known.attributes.without(&merge.id));
    Ok(vec![Event::GuestUnmerged(GuestUnmerged {
        restored_ids: merge.absorbed_ids.clone(),
        merge_id: merge.id.clone(),
        // It was known before, however much it is.
        attributes: after.stored_text(),
        changed: before.changed(&after),
        reason,
    })])
}

/// What the others say of it, each by its id, in the same atomic batch.
pub fn others_part(survivor_id: &str, event: &Event) -> Vec<(String, Event)> {
    let survivor_id = survivor_id.to_owned();
    match event {
        Event::GuestMerged(merged) => {
            let absorbed = GuestAbsorbed { survivor_id, merge_id: merged.merge_id.clone() };
            let part = |id: &String| (id.clone(), Event::GuestAbsorbed(absorbed.clone()));
            merged.absorbed_ids.iter().map(part).collect()
        }
        Event::GuestUnmerged(unmerged) => {
            let restored = GuestRestored { survivor_id, merge_id: unmerged.merge_id.clone() };
            let part = |id: &String| (id.clone(), Event::GuestRestored(restored.clone()));
            unmerged.restored_ids.iter().map(part).collect()
        }
        Event::GuestRegistered(_)
        | Event::GuestAbsorbed(_)
        | Event::GuestRestored(_)
        | Event::GuestUpdated(_)
        | Event::GuestActivated(_)
        | Event::GuestDeactivated(_)
        | Event::IdentifierLinked(_)
        | Event::IdentifierUnlinked(_)
        | Event::IdentityConflictDetected(_) => Vec::new(),
    }
}

impl Registration {
    /// Kinds of identifiers the guest is known by, and those who are part of it.
    pub(super) fn namespaces(&self) -> BTreeSet<&str> {
        let parts = self.merges.iter().flat_map(|merge| &merge.namespaces).map(String::as_str);
        self.identifiers.namespaces().chain(parts).collect()
    }

    /// Whether one of the identifiers is a person's, and no machine's.
    pub(super) fn is_identified(&self) -> bool {
        self.namespaces().iter().any(|namespace| !ANONYMOUS.contains(namespace))
    }

    /// How many guests are read as this one, itself among them.
    fn members(&self) -> u32 {
        // A merge that does not say stands for those it names.
        let of = |merge: &Merge| merge.members.max(u32::try_from(merge.absorbed_ids.len()).unwrap_or(u32::MAX));
        self.merges.iter().map(of).fold(1, u32::saturating_add)
    }
}

impl Guest {
    /// Whose part this guest is, when it is one's.
    pub fn absorbed_into(&self) -> Option<&AbsorbedInto> {
        self.registration.as_ref()?.absorbed_into.as_ref()
    }

    /// Those whose part it was once, and is no more.
    pub fn former_survivors(&self) -> impl Iterator<Item = &str> {
        self.registration.iter().flat_map(|known| &known.former_survivors).map(String::as_str)
    }

    /// Whether the other was merged into this guest itself, and not into one of those.
    pub fn has_absorbed(&self, guest_id: &str) -> bool {
        let merges = self.registration.iter().flat_map(|known| &known.merges);
        merges.flat_map(|merge| &merge.absorbed_ids).any(|absorbed| absorbed == guest_id)
    }

    /// Those this guest absorbed in a merge; nobody when it is another's merge.
    pub fn absorbed_in(&self, merge_id: &str) -> impl Iterator<Item = &str> {
        let merges = self.registration.iter().flat_map(|known| &known.merges);
        merges.filter(move |merge| merge.id == merge_id).flat_map(|merge| &merge.absorbed_ids).map(String::as_str)
    }
}
