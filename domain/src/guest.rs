//! A person the tenant knows.

use proto::guest::command::Kind as Command;
use proto::guest::event::Kind as Event;
use proto::guest::{GuestRegistered, Identifier, RegisterGuest};
use serde::{Deserialize, Serialize};

use crate::values::{identifier, json};

/// What is known of a guest as a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guest {
    registration: Option<Registration>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Registration {
    /// The text of one JSON object, empty when none were given.
    attributes: String,
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
                self.registration = Some(Registration { attributes: attributes.clone() });
            }
            // No command merges guests yet, so no decision needs to remember that some were.
            Event::GuestMerged(_) | Event::GuestAbsorbed(_) => {}
        }
    }
}

pub(crate) fn decide(guest: &Guest, command: &Command) -> Result<Vec<Event>, crate::Rejection> {
    match command {
        Command::Register(command) => register(guest, command),
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

#[cfg(test)]
mod specs {
    use proto::{Command, Event};

    use super::*;
    use crate::given::given;

    fn register(identifier: &str, attributes: &str) -> Command {
        Command::Guest(super::Command::Register(RegisterGuest {
            identifier: identifier.to_owned(),
            namespace: String::new(),
            attributes: attributes.to_owned(),
        }))
    }

    fn registered(value: &str, attributes: &str) -> Event {
        let identifiers = vec![Identifier { namespace: "user_id".to_owned(), value: value.to_owned() }];
        let attributes = attributes.to_owned();
        Event::Guest(super::Event::GuestRegistered(GuestRegistered { identifiers, attributes }))
    }

    #[test]
    fn a_new_guest_is_registered_under_the_identifier_as_it_was_given() {
        given([]).when(register("00001", "")).then([registered("00001", "")]);
    }

    #[test]
    fn registering_again_changes_nothing() {
        let known = || registered("00001", r#"{"tier":"gold"}"#);
        given([known()]).when(register("00001", r#"{"tier":"gold"}"#)).then([]);
        given([known()]).when(register("00001", "")).then([]);
    }

    #[test]
    fn registering_again_with_other_attributes_is_refused() {
        given([registered("00001", "")]).when(register("00001", r#"{"tier":"gold"}"#)).refused("guest_conflict");
    }

    #[test]
    fn a_guest_may_have_no_identifier() {
        let anonymous = GuestRegistered { identifiers: Vec::new(), attributes: String::new() };
        given([]).when(register("", "")).then([Event::Guest(super::Event::GuestRegistered(anonymous))]);
    }

    #[test]
    fn an_identifier_that_names_nobody_is_refused() {
        given([]).when(register("undefined", "")).refused("blocked_identifier");
        given([]).when(register(&"x".repeat(256), "")).refused("invalid_identifier");
    }
}
