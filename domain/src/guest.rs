//! A person the tenant knows.

#[cfg(test)]
mod specs;

use proto::guest::command::Kind as Command;
use proto::guest::event::Kind as Event;
use proto::guest::{
    DeactivateGuest, GuestActivated, GuestDeactivated, GuestRegistered, GuestUpdated, Identifier, RegisterGuest,
    ReplaceGuest, UpdateGuest,
};
use serde::{Deserialize, Serialize};

use crate::values::attributes::Attributes;
use crate::values::{identifier, json, text};

const MAX_REASON_BYTES: usize = 255;

/// What is known of a guest as a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guest {
    registration: Option<Registration>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Registration {
    /// The text of one JSON object, empty when there are none.
    attributes: String,
    is_active: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("no such guest")]
    NotFound,
    #[error("the guest is registered with other attributes")]
    RegisteredOtherwise,
}

impl Guest {
    pub fn is_registered(&self) -> bool {
        self.registration.is_some()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.registration.as_ref().map_or(0, |registration| registration.attributes.len())
    }

    pub(crate) fn evolve(&mut self, event: &Event) {
        match event {
            Event::GuestRegistered(GuestRegistered { attributes, .. }) => {
                self.registration = Some(Registration { attributes: attributes.clone(), is_active: true });
            }
            Event::GuestUpdated(GuestUpdated { attributes, .. }) => {
                self.change(|registration| registration.attributes.clone_from(attributes));
            }
            Event::GuestActivated(_) => self.change(|registration| registration.is_active = true),
            Event::GuestDeactivated(_) => self.change(|registration| registration.is_active = false),
            // No command merges guests yet, so no decision needs to remember that some were.
            Event::GuestMerged(_) | Event::GuestAbsorbed(_) => {}
        }
    }

    fn change(&mut self, change: impl FnOnce(&mut Registration)) {
        if let Some(registration) = &mut self.registration {
            change(registration);
        }
    }

    fn registration(&self) -> Result<&Registration, Rejection> {
        self.registration.as_ref().ok_or(Rejection::NotFound)
    }
}

pub(crate) fn decide(guest: &Guest, command: &Command) -> Result<Vec<Event>, crate::Rejection> {
    match command {
        Command::Register(command) => register(guest, command),
        Command::Update(command) => update(guest.registration()?, command),
        Command::Replace(command) => replace(guest.registration()?, command),
        Command::Activate(_) => Ok(activate(guest.registration()?)),
        Command::Deactivate(command) => deactivate(guest.registration()?, command),
    }
}

fn register(guest: &Guest, command: &RegisterGuest) -> Result<Vec<Event>, crate::Rejection> {
    let identifiers = identifiers(command)?;
    let attributes = json::object("attributes", &command.attributes)?;
    match &guest.registration {
        None => Ok(vec![Event::GuestRegistered(GuestRegistered { identifiers, attributes })]),
        Some(known) if attributes.is_empty() || attributes == known.attributes => Ok(Vec::new()),
        Some(_) => Err(Rejection::RegisteredOtherwise.into()),
    }
}

fn identifiers(command: &RegisterGuest) -> Result<Vec<Identifier>, crate::Rejection> {
    if command.identifier.is_empty() {
        return Ok(Vec::new());
    }
    let known = identifier::parse("identifier", &command.namespace, &command.identifier)?;
    Ok(vec![Identifier { namespace: known.namespace().to_owned(), value: known.value().to_owned() }])
}

fn update(known: &Registration, command: &UpdateGuest) -> Result<Vec<Event>, crate::Rejection> {
    let before = Attributes::parse("attributes", &known.attributes)?;
    let mut after = before.clone();
    after.merge("attributes", &command.attributes)?;
    command.unset.iter().for_each(|name| after.unset(name));
    after.increment("increment", &command.increment)?;
    updated(&before, &after)
}

fn replace(known: &Registration, command: &ReplaceGuest) -> Result<Vec<Event>, crate::Rejection> {
    let before = Attributes::parse("attributes", &known.attributes)?;
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
