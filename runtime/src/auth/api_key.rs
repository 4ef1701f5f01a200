//! API keys: credentials of programs that no issuer signs for. What one may do stands where keys are kept, and is looked up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use proto::subject::Tenant;
use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};

use super::principal::{Actor, Principal, Proven, Tenants};
use super::scope::{Scope, Scopes};
use super::{expired, invalid};
use crate::clock;
use crate::problem::Problem;

/// Tells a key from a token, and is what scanners for secrets look for.
const PREFIX: &str = "ksk_";
const MAX_BYTES: usize = 128;
/// What was found under an id is gone by for so long: a key is revoked because somebody has it who should not.
const FOUND_FOR: Duration = Duration::from_secs(10);
const MOST_FOUND: usize = 10_000;

/// A key as its bearer has it: `ksk_<id>_<secret>`.
#[derive(Clone, Copy)]
pub struct ApiKey<'a> {
    text: &'a str,
    pub key_id: &'a str,
}

/// A key as it is kept: not the key.
#[derive(Clone, Debug)]
pub struct KeptKey {
    pub tenant: Tenant,
    /// What its bearer is called; the two keys of one bearer have it in common.
    pub name: String,
    /// [`ApiKey::digest`]
    pub digest: Vec<u8>,
    pub scopes: Vec<Scope>,
    pub expires_at: Option<DateTime<Utc>>,
    pub is_revoked: bool,
}

/// Why it is not known whether there is such a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeysAway;

/// Where keys are kept.
pub trait ApiKeys: Send + Sync {
    /// The key of this id.
    fn find<'a>(&'a self, key_id: &'a str) -> BoxFuture<'a, Result<Option<KeptKey>, KeysAway>>;
}

/// What this process knows of keys.
pub(super) struct KeyRing {
    kept: Arc<dyn ApiKeys>,
    /// By their ids, those that are none among them: nobody has the vault asked all the time with a key that is not taken.
    found: Cache<String, Found>,
}

#[derive(Clone)]
struct Found {
    key: Option<Arc<KeptKey>>,
    at: Instant,
}

impl KeyRing {
    pub(super) fn new(kept: Arc<dyn ApiKeys>) -> Self {
        Self { kept, found: Cache::new(MOST_FOUND) }
    }

    /// Whose key this is.
    pub(super) async fn principal(&self, text: &str) -> Result<Principal, Problem> {
        let key = ApiKey::parse(text).ok_or_else(invalid)?;
        let kept = self.find(key.key_id).await?.ok_or_else(invalid)?;
        let bearer = kept.bearer(&key).ok_or_else(invalid)?;
        let is_over = kept.expires_at.is_some_and(|at| clock::now() >= at);
        if is_over { Err(expired()) } else { Ok(bearer) }
    }

    async fn find(&self, key_id: &str) -> Result<Option<Arc<KeptKey>>, Problem> {
        if let Some(found) = self.found.get(key_id).filter(|found| found.at.elapsed() < FOUND_FOR) {
            return Ok(found.key);
        }
        // As of before it was asked for.
        let at = Instant::now();
        let away = |KeysAway| Problem::unavailable("vault_unavailable", "API keys cannot be looked up now");
        let key = self.kept.find(key_id).await.map_err(away)?.map(Arc::new);
        self.found.insert(key_id.to_owned(), Found { key: key.clone(), at });
        Ok(key)
    }
}

impl<'a> ApiKey<'a> {
    /// The text of a key made of these parts.
    pub fn write(key_id: &str, secret: &str) -> String {
        format!("{PREFIX}{key_id}_{secret}")
    }

    /// Whether a credential is meant to be a key.
    pub(super) fn is_one(credential: &str) -> bool {
        credential.starts_with(PREFIX)
    }

    fn parse(text: &'a str) -> Option<Self> {
        let (key_id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let is_plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (text.len() <= MAX_BYTES && is_plain(key_id) && is_plain(secret)).then_some(Self { text, key_id })
    }

    /// SHA-256: a key has 256 random bits, so nothing slower keeps it any better.
    pub fn digest(text: &str) -> [u8; 32] {
        Sha256::digest(text).into()
    }
}

impl KeptKey {
    /// Its bearer, if this is the key and still one. How long a comparison of digests takes tells nothing of a key.
    fn bearer(&self, key: &ApiKey<'_>) -> Option<Principal> {
        let Self { tenant, name, digest, scopes, is_revoked, .. } = self;
        if *is_revoked || *digest != ApiKey::digest(key.text) {
            return None;
        }
        let actor = Actor::ApiKey { tenant: tenant.clone(), name: name.clone(), key_id: key.key_id.to_owned() };
        let (tenants, scopes) = (Tenants::These(vec![tenant.clone()]), Scopes::of(scopes));
        Some(Principal::new(Proven { issuer: String::new(), actor, tenants, scopes, own: None }))
    }
}
