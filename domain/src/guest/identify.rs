//! Whoever was anonymous turns out to be a user: registered, made known by one more identifier, or merged.

use proto::guest::event::Kind as Event;
use proto::guest::{GuestRegistered, GuestUpdated, Identifier, IdentifyGuest, IdentityConflictDetected};
use proto::identifier;

use super::identifiers::{held, linked};
use super::merges::{Cause, united};
use super::{Guest, Registration, Rejection};
use crate::values;
use crate::{Context, Other, Rejection as Refusal};

const ANONYMOUS_ID: &str = "anonymous_id";
const FIELD: &str = "attributes";
const BOTH_IDENTIFIED: &str = "both_identified";
const TOO_MANY_IDENTIFIERS: &str = "too_many_identifiers";
const TOO_MANY_MEMBERS: &str = "too_many_members";
const TOO_MUCH_KNOWN: &str = "too_much_known";

/// Whom an identification speaks of, by identifiers in their normal form.
pub struct Named {
    pub user: identifier::Identifier,
    /// `None` when it is the same one, which says nothing of anybody else.
    pub anonymous: Option<identifier::Identifier>,
}

impl Named {
    pub fn by(command: &IdentifyGuest) -> Result<Self, Refusal> {
        let user = values::identifier::parse("user_id", &command.namespace, &command.user_id)?;
        if command.anonymous_id.is_empty() {
            return Ok(Self { user, anonymous: None });
        }
        let given = command.anonymous_namespace.as_str();
        let namespace = if given.is_empty() { ANONYMOUS_ID } else { given };
        let anonymous = values::identifier::parse("anonymous_id", namespace, &command.anonymous_id)?;
        Ok(Self { anonymous: Some(anonymous).filter(|anonymous| *anonymous != user), user })
    }
}

impl Guest {
    /// Whether this guest may turn out to be a user: one that has another identifier of that kind is another user.
    pub fn may_be(&self, user: &identifier::Identifier) -> bool {
        self.registration.as_ref().is_some_and(|known| !known.namespaces().contains(user.namespace()))
    }
}

/// Decides about the user, or about the anonymous guest that becomes one. The other one is whoever else has the anonymous identifier.
pub(super) fn identify(guest: &Guest, command: &IdentifyGuest, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    let named = Named::by(command)?;
    let (user, anonymous) = (held(&named.user), named.anonymous.as_ref().map(held));
    let mut found = match &guest.registration {
        Some(known) => Found { known: known.clone(), events: Vec::new() },
        None => Found::registered(user.clone()),
    };
    // What a part of the guest is known by stays with that one.
    if !context.names_a_part {
        found.attach(user);
    }
    match (anonymous, context.other) {
        (Some(anonymous), Some(Other::Guest { id, state, merge_id })) => {
            found.take_in(&anonymous, id, &state.guest, merge_id)?;
        }
        (Some(anonymous), None) => found.attach(anonymous),
        (Some(_), Some(Other::Part)) | (None, _) => {}
    }
    found.update(&command.attributes)?;
    Ok(found.events)
}

/// A guest that is known, and what is decided about it step by step.
struct Found {
    known: Registration,
    events: Vec<Event>,
}

impl Found {
    /// A guest nobody knew, who is known by this.
    fn registered(user: Identifier) -> Self {
        let registered = GuestRegistered { identifiers: vec![user], attributes: String::new() };
        Self { known: Registration::new(&registered), events: vec![Event::GuestRegistered(registered)] }
    }

    fn decide(&mut self, event: Event) {
        self.known.evolve(&event);
        self.events.push(event);
    }

    /// Links an identifier, or says that there is no room for it.
    fn attach(&mut self, identifier: Identifier) {
        if self.known.identifiers.has(&identifier) {
            return;
        }
        if self.known.identifiers.take(&identifier.namespace) {
            self.decide(linked(identifier));
        } else {
            self.conflict("", &identifier.namespace, TOO_MANY_IDENTIFIERS);
        }
    }

    /// Merges whoever was anonymous until now. Two who are both identified are never made one because a machine was shared.
    fn take_in(&mut self, anonymous: &Identifier, id: &str, other: &Guest, merge_id: &str) -> Result<(), Refusal> {
        let other = other.registration()?;
        if other.absorbed_into.is_some() {
            return Err(Rejection::MergedAlready.into());
        }
        if other.is_identified() {
            self.conflict(id, &anonymous.namespace, BOTH_IDENTIFIED);
            return Ok(());
        }
        match united(&self.known, id, other, merge_id, Cause::Identify) {
            Ok(merged) => self.decide(Event::GuestMerged(merged)),
            Err(Refusal::Guest(Rejection::TooManyMembers)) => {
                self.conflict(id, &anonymous.namespace, TOO_MANY_MEMBERS);
            }
            Err(Refusal::Invalid(_)) => self.conflict(id, &anonymous.namespace, TOO_MUCH_KNOWN),
            Err(refusal) => return Err(refusal),
        }
        Ok(())
    }

    /// Says it once, however often the two meet.
    fn conflict(&mut self, other_id: &str, namespace: &str, reason: &str) {
        let conflict = conflict(other_id, namespace, reason);
        if !self.known.conflicts.has(&conflict) {
            self.decide(Event::IdentityConflictDetected(conflict));
        }
    }

    fn update(&mut self, patch: &str) -> Result<(), Refusal> {
        let before = self.known.attributes.attributes()?;
        let mut after = before.clone();
        after.merge(FIELD, patch)?;
        let changed = before.changed(&after);
        if !changed.is_empty() {
            self.decide(Event::GuestUpdated(GuestUpdated { attributes: after.text(FIELD)?, changed }));
        }
        Ok(())
    }
}

fn conflict(other_id: &str, namespace: &str, reason: &str) -> IdentityConflictDetected {
    let [other_id, namespace, reason] = [other_id, namespace, reason].map(str::to_owned);
    IdentityConflictDetected { other_id, namespace, reason }
}
