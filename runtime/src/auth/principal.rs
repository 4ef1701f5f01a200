//! Who a request is from, as far as a credential proves it.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use proto::identifier::Identifier;
use proto::subject::Tenant;

use super::scope::{Scope, Scopes};

/// Somebody who may do something. Cheap to clone.
#[derive(Clone)]
pub struct Principal(Arc<Proven>);

pub(super) struct Proven {
    /// Subjects are one issuer's.
    pub(super) issuer: String,
    pub(super) actor: Actor,
    pub(super) tenants: Tenants,
    pub(super) scopes: Scopes,
    /// A guest who may see and do only what is about itself.
    pub(super) own: Option<Identifier>,
}

/// What sort of caller it is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Actor {
    /// Somebody at a client of some name; the subject is the issuer's, and opaque.
    Person {
        client_id: String,
        subject: String,
    },
    Service {
        service_id: String,
    },
    /// A program with a key; rotated, the keys are two and the program one.
    ApiKey {
        tenant: Tenant,
        name: String,
        key_id: String,
    },
    /// Authentication is off.
    Anyone,
}

/// Who a credential says it is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity<'a> {
    Service {
        issuer: &'a str,
        service_id: &'a str,
    },
    ApiKey {
        name: &'a str,
        key_id: &'a str,
    },
    /// The subject is personal data.
    Person {
        issuer: &'a str,
        subject: &'a str,
        is_guest: bool,
    },
    /// Authentication is off.
    Anyone,
}

pub(super) enum Tenants {
    These(Vec<Tenant>),
    All,
}

impl Principal {
    pub(super) fn new(proven: Proven) -> Self {
        Self(Arc::new(proven))
    }

    /// Everybody, where authentication is off.
    pub(crate) fn anyone() -> Self {
        let scopes = Scopes::of(&Scope::ALL);
        Self::new(Proven { issuer: String::new(), actor: Actor::Anyone, tenants: Tenants::All, scopes, own: None })
    }

    /// A service that may do everything everywhere.
    #[cfg(test)]
    pub(crate) fn service(service_id: &str) -> Self {
        let actor = Actor::Service { service_id: service_id.to_owned() };
        let (issuer, scopes) = (String::new(), Scopes::of(&Scope::ALL));
        Self::new(Proven { issuer, actor, tenants: Tenants::All, scopes, own: None })
    }

    #[cfg(test)]
    pub(super) fn actor(&self) -> &Actor {
        &self.0.actor
    }

    pub fn may(&self, scope: Scope) -> bool {
        self.0.scopes.contain(scope)
    }

    pub fn is_of(&self, tenant: &Tenant) -> bool {
        match &self.0.tenants {
            Tenants::These(tenants) => tenants.contains(tenant),
            Tenants::All => true,
        }
    }

    /// For records of who did something.
    pub fn identity(&self) -> Identity<'_> {
        let Proven { issuer, actor, own, .. } = &*self.0;
        match actor {
            Actor::Service { service_id } => Identity::Service { issuer, service_id },
            Actor::Person { subject, .. } => Identity::Person { issuer, subject, is_guest: own.is_some() },
            Actor::ApiKey { name, key_id, .. } => Identity::ApiKey { name, key_id },
            Actor::Anyone => Identity::Anyone,
        }
    }

    /// The same for every token of one caller, and of no other's but by chance.
    pub fn key(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        match &self.0.actor {
            Actor::ApiKey { tenant, name, .. } => (tenant, name).hash(&mut hasher),
            actor @ (Actor::Person { .. } | Actor::Service { .. } | Actor::Anyone) => {
                (&self.0.issuer, actor).hash(&mut hasher);
            }
        }
        hasher.finish()
    }

    /// Of a guest, whom everything it asks for must be about; `None` for everybody else.
    pub fn own(&self) -> Option<&Identifier> {
        self.0.own.as_ref()
    }
}

/// Subjects are people's: they are not for logs.
impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Principal")
    }
}
