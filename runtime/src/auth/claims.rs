//! What a token says, and whether it is for us, now.

use proto::identifier::Identifier;
use proto::subject::Tenant;
use serde::Deserialize;

use super::principal::{Actor, Principal, Proven, Tenants};
use super::scope::{Role, Scopes};

/// Clocks differ by that much.
pub(super) const LEEWAY_SECONDS: i64 = 60;
const MAX_SUBJECT_BYTES: usize = 255;
const MAX_TENANTS: usize = 100;

/// Registered claims (RFC 7519, 4.1; RFC 9068), and ours: `clientInfo` of people's tokens, `serviceId` of services'.
#[derive(Deserialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    aud: Audience,
    sub: String,
    /// Numbers: a time in quotes is refused, not taken for absent.
    exp: i64,
    nbf: Option<i64>,
    iat: Option<i64>,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(rename = "clientInfo")]
    client_info: Option<ClientInfo>,
    #[serde(rename = "serviceId")]
    service_id: Option<String>,
    #[serde(default)]
    tenants: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// The client a person uses.
#[derive(Deserialize)]
struct ClientInfo {
    client_id: String,
    tenant: String,
    /// Of the subject, where it is a guest: `user_id` when absent.
    #[serde(default)]
    namespace: String,
}

/// Why a token with a good signature is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Expired,
    Invalid,
}

/// What a token must say besides who it is for.
pub(super) struct Expected<'a> {
    pub(super) audience: &'a str,
    /// Those its issuer may speak for; `None`: all.
    pub(super) tenants: Option<&'a [Tenant]>,
    /// A service's token lives at most that long.
    pub(super) longest_service_token_s: i64,
    pub(super) now: i64,
}

impl Claims {
    /// When it is over.
    pub(super) fn expires_at(&self) -> i64 {
        self.exp
    }

    /// Everything but its end comes first: only a token that was good once has expired.
    pub(super) fn check(&self, expected: &Expected<'_>) -> Result<Principal, Refused> {
        let principal = self.principal(expected).ok_or(Refused::Invalid)?;
        let latest_start = expected.now + LEEWAY_SECONDS;
        if [self.nbf, self.iat].into_iter().flatten().any(|start| start > latest_start) {
            return Err(Refused::Invalid);
        }
        if is_over(self.exp, expected.now) { Err(Refused::Expired) } else { Ok(principal) }
    }

    fn principal(&self, expected: &Expected<'_>) -> Option<Principal> {
        let is_for_us = match &self.aud {
            Audience::One(audience) => audience == expected.audience,
            Audience::Several(audiences) => audiences.iter().any(|audience| audience == expected.audience),
        };
        let has_subject = !self.sub.is_empty() && self.sub.len() <= MAX_SUBJECT_BYTES;
        if !is_for_us || !has_subject {
            return None;
        }
        let roles: Vec<Role> =
            Role::ALL.into_iter().filter(|role| self.roles.iter().any(|name| name == role.name())).collect();
        let of_roles = roles.iter().map(|role| role.scopes()).fold(Scopes::default(), Scopes::and);
        let scopes = Scopes::named(&self.scope).and(of_roles);
        let is_guest = roles.contains(&Role::Guest);
        match (&self.client_info, &self.service_id) {
            (Some(client), None) if self.tenants.is_empty() => self.person(client, scopes, is_guest, expected),
            (None, Some(service)) if !is_guest => self.service(service, scopes, expected),
            _ => None,
        }
    }

    fn person(
        &self,
        client: &ClientInfo,
        scopes: Scopes,
        is_guest: bool,
        expected: &Expected<'_>,
    ) -> Option<Principal> {
        let own = is_guest.then(|| Identifier::parse(&client.namespace, &self.sub)).transpose().ok()?;
        // Subjects that are two to their issuer must not become one guest.
        if own.as_ref().is_some_and(|own| own.value() != self.sub) {
            return None;
        }
        // Whoever is a guest is nothing else besides.
        let scopes = if is_guest { Role::Guest.scopes() } else { scopes };
        let actor = Actor::Person { client_id: client.client_id.clone(), subject: self.sub.clone() };
        Some(Principal::new(Proven {
            issuer: self.iss.clone(),
            actor,
            tenants: these([&client.tenant], expected)?,
            scopes,
            own,
        }))
    }

    fn service(&self, service: &str, scopes: Scopes, expected: &Expected<'_>) -> Option<Principal> {
        let is_short = self.exp.checked_sub(self.iat?)? <= expected.longest_service_token_s;
        let actor = Actor::Service { service_id: service.to_owned() };
        let tenants = these(&self.tenants, expected)?;
        is_short.then(|| Principal::new(Proven { issuer: self.iss.clone(), actor, tenants, scopes, own: None }))
    }
}

/// Whether a token that ends then has ended by now.
pub(super) fn is_over(expires_at: i64, now: i64) -> bool {
    expires_at.saturating_add(LEEWAY_SECONDS) <= now
}

/// Every tenant by its name: there is no word for all.
fn these<'a>(names: impl IntoIterator<Item = &'a String>, expected: &Expected<'_>) -> Option<Tenants> {
    let tenants: Vec<Tenant> = names.into_iter().map(|name| name.parse().ok()).collect::<Option<_>>()?;
    let may_speak_for = |tenant: &Tenant| expected.tenants.is_none_or(|known| known.contains(tenant));
    let is_taken = |tenant: &Tenant| !tenant.is_system() && may_speak_for(tenant);
    let is_taken = (1..=MAX_TENANTS).contains(&tenants.len()) && tenants.iter().all(is_taken);
    is_taken.then_some(Tenants::These(tenants))
}
