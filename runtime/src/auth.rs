//! Who may do what: credentials become principals, and each route says which scope it takes.

mod api_key;
mod claims;
mod gate;
mod issuers;
mod jws;
mod key_source;
mod keys;
mod principal;
mod refusals;
mod scope;
mod settings;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};
use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};

pub use api_key::{ApiKey, ApiKeys, KeptKey, KeysAway};
pub use gate::{Gatekeeper, Guarded};
pub use issuers::IssuersError;
pub use principal::{Identity, Principal};
pub use scope::{Role, Scope};
pub use settings::AuthSettings;

use crate::clock;
use crate::problem::Problem;
use api_key::KeyRing;
use claims::{Claims, Expected, Refused};
use issuers::{Issuer, Issuers};
use jws::Jws;
use key_source::Unavailable;

const SCHEME: &str = "bearer";
/// Tokens that were verified are remembered, so many of them.
const MOST_VERIFIED: usize = 10_000;
/// For so long: a key that is withdrawn ends its tokens.
const VERIFIED_FOR: Duration = Duration::from_mins(1);

/// Knows whose credentials are good. Cheap to clone.
#[derive(Clone)]
struct Auth(Option<Arc<Trusted>>);

struct Trusted {
    issuers: Issuers,
    api_keys: KeyRing,
    /// By the digest of the token.
    verified: Cache<[u8; 32], Verified>,
}

#[derive(Clone)]
struct Verified {
    principal: Principal,
    expires_at: i64,
    at: Instant,
}

impl Auth {
    fn new(settings: &AuthSettings, api_keys: Arc<dyn ApiKeys>) -> Result<Self, IssuersError> {
        let Some(file) = &settings.issuers_file else {
            tracing::warn!("nobody is asked for a token: KEEPSAKE_AUTH=off");
            return Ok(Self(None));
        };
        let issuers = Issuers::read(file, settings.is_production)?;
        let (api_keys, verified) = (KeyRing::new(api_keys), Cache::new(MOST_VERIFIED));
        Ok(Self(Some(Arc::new(Trusted { issuers, api_keys, verified }))))
    }

    /// Who sends a request with these headers.
    async fn authenticate(&self, headers: &HeaderMap) -> Result<Principal, Problem> {
        let Some(trusted) = &self.0 else { return Ok(Principal::anyone()) };
        let credential = bearer(headers)?;
        if ApiKey::is_one(credential) {
            trusted.api_keys.principal(credential).await
        } else {
            trusted.principal(credential).await
        }
    }
}

impl Trusted {
    async fn principal(&self, token: &str) -> Result<Principal, Problem> {
        let digest: [u8; 32] = Sha256::digest(token).into();
        let now = clock::now().timestamp();
        if let Some(verified) = self.verified.get(&digest).filter(|verified| verified.at.elapsed() < VERIFIED_FOR) {
            return if claims::is_over(verified.expires_at, now) { Err(expired()) } else { Ok(verified.principal) };
        }
        let jws = Jws::parse(token).ok_or_else(invalid)?;
        let claims: Claims = jws.claims().ok_or_else(invalid)?;
        // What it says is believed once its signature is that of whom it says it is from.
        let issuer = self.issuers.named(&claims.iss).filter(|issuer| issuer.signs_with(jws.algorithm));
        let issuer = issuer.ok_or_else(invalid)?;
        if !is_signed_by(issuer, &jws).await.map_err(|Unavailable| unavailable())? {
            return Err(invalid());
        }
        let (audience, longest_service_token_s) = (&self.issuers.audience, issuer.longest_service_token_s);
        let tenants = issuer.tenants.as_deref();
        let principal = claims.check(&Expected { audience, tenants, longest_service_token_s, now }).map_err(
            |refused| match refused {
                Refused::Expired => expired(),
                Refused::Invalid => invalid(),
            },
        )?;
        let (expires_at, at) = (claims.expires_at(), Instant::now());
        self.verified.insert(digest, Verified { principal: principal.clone(), expires_at, at });
        Ok(principal)
    }
}

async fn is_signed_by(issuer: &Issuer, jws: &Jws<'_>) -> Result<bool, Unavailable> {
    let Jws { algorithm, key_id, signed, signature, .. } = jws;
    let keys = issuer.keys.keys(key_id, *algorithm).await?;
    if keys.verify(key_id, *algorithm, signed, signature) {
        return Ok(true);
    }
    if !keys.has(key_id, *algorithm) {
        return Ok(false);
    }
    let anew = issuer.keys.keys_anew().await?;
    Ok(!Arc::ptr_eq(&anew, &keys) && anew.verify(key_id, *algorithm, signed, signature))
}

/// The one credential of a request (RFC 6750); in a query string or a body it is none.
fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or_else(missing)?;
    if values.next().is_some() {
        return Err(Problem::bad_request("malformed_header", "Authorization is given more than once"));
    }
    let (scheme, token) = value.to_str().ok().and_then(|value| value.split_once(' ')).ok_or_else(missing)?;
    if scheme.eq_ignore_ascii_case(SCHEME) { Ok(token.trim()) } else { Err(missing()) }
}

fn missing() -> Problem {
    Problem::unauthorized("token_missing", "send a token or an API key: Authorization: Bearer …")
}

fn invalid() -> Problem {
    Problem::unauthorized("token_invalid", "this token is not one that is taken here")
}

fn expired() -> Problem {
    Problem::unauthorized("token_expired", "this token has expired: get another from its issuer")
}

fn unavailable() -> Problem {
    Problem::unavailable("issuer_unavailable", "the keys of the token's issuer cannot be had now")
}
