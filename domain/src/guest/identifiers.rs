//! What callers know a guest by.

use std::collections::BTreeSet;

use proto::guest::event::Kind as Event;
use proto::guest::{
    Identifier, IdentifierLinked, IdentifierUnlinked, IdentityConflictDetected, LinkIdentifier, UnlinkIdentifier,
};
use proto::identifier;
use serde::{Deserialize, Serialize};

use super::{Registration, Rejection};
use crate::values;

/// Kinds of identifiers that a browser or a machine has, and nobody in particular: whoever has no other is anonymous.
pub(super) const ANONYMOUS: [&str; 2] = ["anonymous_id", "device_id"];
/// Of a kind a person has one of, and kinds it has few of.
const ONE: [&str; 1] = ["user_id"];
const FEW: [&str; 2] = ["email", "phone"];
const MOST_OF_FEW: usize = 5;
const MOST_OF_A_KIND: usize = 20;
const MOST: usize = 1_000;

/// Conflicts a guest remembers, so that each is told once; further ones are not told.
const MOST_CONFLICTS: usize = 100;

/// Who else has which kinds of identifiers that were said to be the guest's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Conflicts(BTreeSet<(String, String)>);

impl Conflicts {
    pub(super) fn has(&self, conflict: &IdentityConflictDetected) -> bool {
        self.0.len() >= MOST_CONFLICTS || self.0.contains(&(conflict.other_id.clone(), conflict.namespace.clone()))
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(|(other_id, namespace)| other_id.len() + namespace.len()).sum()
    }

    pub(super) fn note(&mut self, conflict: &IdentityConflictDetected) {
        self.0.insert((conflict.other_id.clone(), conflict.namespace.clone()));
    }
}

/// In the order they were linked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identifiers(Vec<Linked>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Linked {
    namespace: String,
    value: String,
}

impl Linked {
    fn is(&self, identifier: &Identifier) -> bool {
        self.namespace == identifier.namespace && self.value == identifier.value
    }
}

impl Identifiers {
    pub(super) fn has(&self, identifier: &Identifier) -> bool {
        self.0.iter().any(|linked| linked.is(identifier))
    }

    pub(super) fn link(&mut self, identifier: &Identifier) {
        if !self.has(identifier) {
            let Identifier { namespace, value } = identifier.clone();
            self.0.push(Linked { namespace, value });
        }
    }

    pub(super) fn unlink(&mut self, identifier: &Identifier) {
        self.0.retain(|linked| !linked.is(identifier));
    }

    pub(super) fn namespaces(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|linked| linked.namespace.as_str())
    }

    /// Whether there is room for one more of a kind.
    pub(super) fn take(&self, namespace: &str) -> bool {
        let most = if ONE.contains(&namespace) {
            1
        } else if FEW.contains(&namespace) {
            MOST_OF_FEW
        } else {
            MOST_OF_A_KIND
        };
        self.0.len() < MOST && self.0.iter().filter(|linked| linked.namespace == namespace).count() < most
    }

    pub(super) fn bytes(&self) -> usize {
        let of = |linked: &Linked| size_of::<Linked>() + linked.namespace.len() + linked.value.len();
        self.0.iter().map(of).sum()
    }
}

pub(super) fn link(known: &Registration, command: &LinkIdentifier) -> Result<Vec<Event>, crate::Rejection> {
    let identifier = parse("identifier", &command.identifier_namespace, &command.identifier)?;
    if known.identifiers.has(&identifier) {
        return Ok(Vec::new());
    }
    if !known.identifiers.take(&identifier.namespace) {
        return Err(Rejection::TooManyIdentifiers.into());
    }
    Ok(vec![linked(identifier)])
}

pub(super) fn linked(identifier: Identifier) -> Event {
    Event::IdentifierLinked(IdentifierLinked { identifier: Some(identifier) })
}

pub(super) fn unlink(known: &Registration, command: &UnlinkIdentifier) -> Result<Vec<Event>, crate::Rejection> {
    let identifier = parse("identifier", &command.identifier_namespace, &command.identifier)?;
    if !known.identifiers.has(&identifier) {
        return Ok(Vec::new());
    }
    Ok(vec![Event::IdentifierUnlinked(IdentifierUnlinked { identifier: Some(identifier) })])
}

fn parse(field: &'static str, namespace: &str, value: &str) -> Result<Identifier, crate::Rejection> {
    Ok(held(&values::identifier::parse(field, namespace, value)?))
}

/// As events hold it.
pub(super) fn held(known: &identifier::Identifier) -> Identifier {
    Identifier { namespace: known.namespace().to_owned(), value: known.value().to_owned() }
}
