//! A person the tenant knows.

#[cfg(test)]
mod identity_specs;
#[cfg(test)]
mod specs;

mod identifiers;
mod identify;
mod known;
mod merges;

use std::collections::BTreeSet;

use proto::guest::command::Kind as Command;
use proto::guest::event::Kind as Event;
use proto::guest::{
    DeactivateGuest, GuestActivated, GuestDeactivated, GuestRegistered, GuestUpdated, Identifier, RegisterGuest,
    ReplaceGuest, UpdateGuest,
};
use proto::identifier;
use serde::{Deserialize, Serialize};

use crate::Context;
use crate::values::attributes::Attributes;
use crate::values::{self, json, text};
use identifiers::{Conflicts, Identifiers, held};
use known::Known;
use merges::Merge;

pub use identify::Named;
pub use merges::{AbsorbedInto, MOST_MEMBERS, others_part};

const MAX_REASON_BYTES: usize = 255;

/// What is known of a guest as a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guest {
    registration: Option<Registration>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Registration {
    identifiers: Identifiers,
    attributes: Known,
    is_active: bool,
    /// Of others into this guest.
    merges: Vec<Merge>,
    absorbed_into: Option<AbsorbedInto>,
    former_survivors: BTreeSet<String>,
    conflicts: Conflicts,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("no such guest")]
    NotFound,
    #[error("the guest is registered with other attributes")]
    RegisteredOtherwise,
    #[error("another guest is known by this identifier: unlink it there, or merge the two")]
    IdentifierTaken,
    #[error("the guest has as many identifiers of this kind as a guest may have")]
    TooManyIdentifiers,
    #[error("a guest cannot be merged with itself")]
    MergedWithItself,
    #[error("one of the two was merged meanwhile: read it again")]
    MergedAlready,
    #[error("at most {MOST_MEMBERS} guests are read as one")]
    TooManyMembers,
    #[error("no such merge, or it was undone")]
    MergeNotFound,
    #[error("the guest was merged into another one since: undo that merge first")]
    MergedFurther,
}

impl Guest {
    pub fn is_registered(&self) -> bool {
        self.registration.is_some()
    }

    /// Whether callers know the guest by this identifier.
    pub fn is_known_as(&self, identifier: &identifier::Identifier) -> bool {
        self.registration.as_ref().is_some_and(|known| known.identifiers.has(&held(identifier)))
    }

    /// What is known of the guest, those merged into it included: the text of one JSON object, empty when there is none.
    pub fn attributes(&self) -> &str {
        self.registration.as_ref().map_or("", |known| known.attributes.text())
    }

    pub(crate) fn bytes(&self) -> usize {
        self.registration.as_ref().map_or(0, Registration::bytes)
    }

    pub(crate) fn evolve(&mut self, event: &Event) {
        if let Event::GuestRegistered(registered) = event {
            self.registration = Some(Registration::new(registered));
        } else if let Some(known) = &mut self.registration {
            known.evolve(event);
        }
    }

    fn registration(&self) -> Result<&Registration, Rejection> {
        self.registration.as_ref().ok_or(Rejection::NotFound)
    }
}

impl Registration {
    fn new(registered: &GuestRegistered) -> Self {
        let mut identifiers = Identifiers::default();
        registered.identifiers.iter().for_each(|identifier| identifiers.link(identifier));
        Self {
            identifiers,
            attributes: Known::new(registered.attributes.clone()),
            is_active: true,
            merges: Vec::new(),
            absorbed_into: None,
            former_survivors: BTreeSet::new(),
            conflicts: Conflicts::default(),
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::GuestRegistered(_) => {}
            Event::GuestUpdated(updated) => self.attributes.change(&updated.attributes),
            Event::GuestActivated(_) => self.is_active = true,
            Event::GuestDeactivated(_) => self.is_active = false,
            Event::IdentifierLinked(linked) => linked.identifier.iter().for_each(|known| self.identifiers.link(known)),
            Event::IdentifierUnlinked(unlinked) => {
                unlinked.identifier.iter().for_each(|known| self.identifiers.unlink(known));
            }
            Event::IdentityConflictDetected(conflict) => self.conflicts.note(conflict),
            Event::GuestMerged(merged) => {
                let known = self.attributes.text();
                // A merge that does not say leaves what was known.
                let together = if merged.attributes.is_empty() { known.to_owned() } else { merged.attributes.clone() };
                self.attributes.merge(&merged.merge_id, &merged.offered, &merged.preferred, &together);
                self.merges.push(Merge::of(merged));
            }
            Event::GuestUnmerged(unmerged) => {
                self.attributes.unmerge(&unmerged.merge_id, &unmerged.attributes);
                self.merges.retain(|merge| merge.id != unmerged.merge_id);
            }
            Event::GuestAbsorbed(absorbed) => {
                let (survivor_id, merge_id) = (absorbed.survivor_id.clone(), absorbed.merge_id.clone());
                self.absorbed_into = Some(AbsorbedInto { survivor_id, merge_id });
            }
            Event::GuestRestored(restored) => {
                self.absorbed_into = None;
                self.former_survivors.insert(restored.survivor_id.clone());
            }
        }
    }

    fn bytes(&self) -> usize {
        let merges = self.merges.iter().map(Merge::bytes).sum::<usize>();
        let former = self.former_survivors.iter().map(String::len).sum::<usize>();
        self.identifiers.bytes() + self.attributes.bytes() + merges + former + self.conflicts.bytes()
    }
}

pub(crate) fn decide(guest: &Guest, command: &Command, context: &Context<'_>) -> Result<Vec<Event>, crate::Rejection> {
    match command {
        Command::Register(command) => register(guest, command),
        Command::Update(command) => update(guest.registration()?, command),
        Command::Replace(command) => replace(guest.registration()?, command),
        Command::Activate(_) => Ok(activate(guest.registration()?)),
        Command::Deactivate(command) => deactivate(guest.registration()?, command),
        Command::Link(command) => identifiers::link(guest.registration()?, command),
        Command::Unlink(command) => identifiers::unlink(guest.registration()?, command),
        Command::Identify(command) => identify::identify(guest, command, context),
        Command::Merge(command) => merges::merge(guest.registration()?, command, context.other),
        Command::Unmerge(command) => merges::unmerge(guest.registration()?, command),
    }
}

fn register(guest: &Guest, command: &RegisterGuest) -> Result<Vec<Event>, crate::Rejection> {
    let identifiers = identifiers(command)?;
    let attributes = json::object("attributes", &command.attributes)?;
    match &guest.registration {
        None => Ok(vec![Event::GuestRegistered(GuestRegistered { identifiers, attributes })]),
        Some(known) if attributes.is_empty() || attributes == known.attributes.text() => Ok(Vec::new()),
        Some(_) => Err(Rejection::RegisteredOtherwise.into()),
    }
}

fn identifiers(command: &RegisterGuest) -> Result<Vec<Identifier>, crate::Rejection> {
    if command.identifier.is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![held(&values::identifier::parse("identifier", &command.namespace, &command.identifier)?)])
}

fn update(known: &Registration, command: &UpdateGuest) -> Result<Vec<Event>, crate::Rejection> {
    let before = known.attributes.attributes()?;
    let mut after = before.clone();
    after.merge("attributes", &command.attributes)?;
    command.unset.iter().for_each(|name| after.unset(name));
    after.increment("increment", &command.increment)?;
    updated(&before, &after)
}

fn replace(known: &Registration, command: &ReplaceGuest) -> Result<Vec<Event>, crate::Rejection> {
    let before = known.attributes.attributes()?;
    updated(&before, &Attributes::parse("attributes", &command.attributes)?)
}

fn updated(before: &Attributes, after: &Attributes) -> Result<Vec<Event>, crate::Rejection> {
    let changed = before.changed(after);
    if changed.is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![Event::GuestUpdated(GuestUpdated { attributes: after.text("attributes")?, changed })])
}

fn activate(known: &Registration) -> Vec<Event> {
    if known.is_active { Vec::new() } else { vec![Event::GuestActivated(GuestActivated {})] }
}

fn deactivate(known: &Registration, command: &DeactivateGuest) -> Result<Vec<Event>, crate::Rejection> {
    let reason = text::line("reason", &command.reason, MAX_REASON_BYTES)?;
    Ok(if known.is_active { vec![Event::GuestDeactivated(GuestDeactivated { reason })] } else { Vec::new() })
}
