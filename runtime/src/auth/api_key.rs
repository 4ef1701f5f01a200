//! API keys: credentials of programs that no issuer signs for. What one may do stands where keys are kept, and is looked up.

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use proto::subject::Tenant;
use sha2::{Digest as _, Sha256};

use super::principal::{Actor, Principal, Proven, Tenants};
use super::scope::{Scope, Scopes};

/// Tells a key from a token, and is what scanners for secrets look for.
const PREFIX: &str = "ksk_";
const MAX_BYTES: usize = 128;

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

impl<'a> ApiKey<'a> {
    /// The text of a key made of these parts.
    pub fn write(key_id: &str, secret: &str) -> String {
        format!("{PREFIX}{key_id}_{secret}")
    }

    /// Whether a credential is meant to be a key.
    pub(super) fn is_one(credential: &str) -> bool {
        credential.starts_with(PREFIX)
    }

    pub(super) fn parse(text: &'a str) -> Option<Self> {
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
    pub(super) fn bearer(self, key: &ApiKey<'_>) -> Option<Principal> {
        let Self { tenant, name, digest, scopes, is_revoked, .. } = self;
        if is_revoked || digest != ApiKey::digest(key.text) {
            return None;
        }
        let actor = Actor::ApiKey { tenant: tenant.clone(), name, key_id: key.key_id.to_owned() };
        let (tenants, scopes) = (Tenants::These(vec![tenant]), Scopes::of(&scopes));
        Some(Principal::new(Proven { issuer: String::new(), actor, tenants, scopes, own: None }))
    }
}
