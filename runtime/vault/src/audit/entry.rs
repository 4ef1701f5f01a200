//! One entry of the trail, and who it is about. Nobody is named in it who could be erased: people stand under pseudonyms.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, Utc};
use runtime::auth::{Identity, Principal};
use runtime::clock;
use serde::{Deserialize, Serialize};

use crate::kek::keyed_hash;
use crate::vault::Vault;

/// Of a pseudonym: enough that no two people of one installation share one.
const PSEUDONYM_BYTES: usize = 16;

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Actor {
    /// `service`, `api_key`, `person`, `guest`, `nats`, `operator` or `anyone`.
    pub kind: Cow<'static, str>,
    /// A service's id, a key's name and id, a pseudonym of a person or a guest, an operator's login; empty of the others.
    pub id: String,
    /// Whose word it is that it was them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub issuer: String,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Act(Cow<'static, str>);

impl Act {
    /// Words with dots between them: `profile.read`.
    pub const fn new(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// A command of a facet that is asked for: `tenant.suspend`.
    pub fn command(facet: &str, name: &str) -> Self {
        Self(Cow::Owned(format!("{facet}.{name}")))
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What stands in the trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub at: DateTime<Utc>,
    /// Of what was done more than once: when last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    pub by: Actor,
    pub act: Act,
    /// The guests it was about, by our ids, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guests: Vec<String>,
    /// How often, over all these guests.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub times: u64,
    /// What else there is to know: no word of a guest's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

const fn once() -> u64 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
const fn is_once(times: &u64) -> bool {
    *times == once()
}

impl Actor {
    /// Whoever may publish to the subjects of a tenant; which caller it was, NATS does not prove to us.
    pub const fn on_nats() -> Self {
        Self { kind: Cow::Borrowed("nats"), id: String::new(), issuer: String::new() }
    }

    /// Somebody at a terminal, under the login they have there.
    pub fn operator(login: &str) -> Self {
        Self { kind: Cow::Borrowed("operator"), id: login.to_owned(), issuer: String::new() }
    }
}

impl Entry {
    /// An act of now.
    pub fn now(by: Actor, act: Act) -> Self {
        Self { at: clock::now(), until: None, by, act, guests: Vec::new(), times: once(), detail: String::new() }
    }

    /// As it is stored and hashed.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).expect("texts, instants and a number")
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, id, .. } = self;
        if id.is_empty() { f.write_str(kind) } else { write!(f, "{kind} {id}") }
    }
}

impl Vault {
    /// Who somebody is as it may be kept: a service by its id, a person by a pseudonym that only the key file's holder can tell.
    pub fn actor(&self, principal: &Principal) -> Actor {
        let (kind, id, issuer) = match principal.identity() {
            Identity::Service { issuer, service_id } => ("service", service_id.to_owned(), issuer.to_owned()),
            Identity::Person { issuer, subject, is_guest } => {
                let kind = if is_guest { "guest" } else { "person" };
                (kind, self.pseudonym(issuer, subject), issuer.to_owned())
            }
            Identity::ApiKey { name, key_id } => ("api_key", format!("{name}/{key_id}"), String::new()),
            Identity::Anyone => ("anyone", String::new(), String::new()),
        };
        Actor { kind: Cow::Borrowed(kind), id, issuer }
    }

    /// What a person of an issuer is called in the trail and in commits.
    pub fn pseudonym(&self, issuer: &str, subject: &str) -> String {
        let hash = keyed_hash(&self.0.pseudonyms, &[issuer.as_bytes(), subject.as_bytes()]);
        data_encoding::HEXLOWER.encode(&hash[..PSEUDONYM_BYTES])
    }
}
