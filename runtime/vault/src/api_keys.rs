//! API keys: issued, found, listed and revoked. Of a key only its digest is kept.

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use proto::subject::Tenant;
use runtime::auth::{ApiKey, ApiKeys, KeptKey, KeysAway, Scope};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use zeroize::Zeroizing;

use crate::aead;
use crate::kek::keyed_hash;
use crate::vault::{Vault, VaultError};

const PURPOSE: &str = "ids of api keys";
const RANDOM_BYTES: usize = 10;
/// Of an id: enough to tell that we made it without asking the database.
const TAG_BYTES: usize = 4;

/// Keys that have expired make room.
const END_EXPIRED: &str = "
-- end_expired_api_keys()
UPDATE vault.api_key
SET revoked_at = expires_at
WHERE tenant = $1 AND name = $2 AND revoked_at IS NULL AND expires_at <= now()";

const ISSUE: &str = "
-- issue_api_key()
INSERT INTO vault.api_key (key_id, tenant, name, slot, digest, scopes, expires_at)
SELECT $1, $2, $3, free.slot, $4, $5, $6
FROM (VALUES (1::smallint), (2::smallint)) AS free (slot)
WHERE NOT EXISTS (
  SELECT FROM vault.api_key AS active
  WHERE active.tenant = $2 AND active.name = $3 AND active.slot = free.slot AND active.revoked_at IS NULL
)
ORDER BY free.slot
LIMIT 1
RETURNING key_id, tenant, name, digest, scopes, issued_at, expires_at, revoked_at";

const FIND: &str = "
-- find_api_key()
SELECT key_id, tenant, name, digest, scopes, issued_at, expires_at, revoked_at
FROM vault.api_key
WHERE key_id = $1";

const LIST: &str = "
-- list_api_keys()
SELECT key_id, tenant, name, digest, scopes, issued_at, expires_at, revoked_at
FROM vault.api_key
WHERE tenant = $1
ORDER BY name, issued_at, key_id
LIMIT 1000";

/// Revoked again, a key keeps the time it was revoked first.
const REVOKE: &str = "
-- revoke_api_key()
UPDATE vault.api_key
SET revoked_at = coalesce(revoked_at, now())
WHERE tenant = $1 AND key_id = $2
RETURNING name";

/// What a new key is to be.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    pub tenant: Tenant,
    pub name: String,
    pub scopes: Vec<Scope>,
    pub expires_at: Option<DateTime<Utc>>,
}

/// What is known of a key by whoever looks after them.
#[derive(Clone, Debug)]
pub struct ApiKeyInfo {
    pub key_id: String,
    pub kept: KeptKey,
    pub issued_at: DateTime<Utc>,
    pub revoked_at: Option<DateTime<Utc>>,
}

/// A key that was just made: nobody can read it again.
pub struct IssuedApiKey {
    pub info: ApiKeyInfo,
    pub key: Zeroizing<String>,
}

impl Vault {
    /// Makes a key; `None` when two of the name are active.
    pub async fn issue_api_key(&self, new: &NewApiKey) -> Result<Option<IssuedApiKey>, VaultError> {
        let NewApiKey { tenant, name, scopes, expires_at } = new;
        let key_id = self.new_key_id()?;
        let secret = Zeroizing::new(data_encoding::HEXLOWER.encode(&*aead::random_key()?));
        let key = Zeroizing::new(ApiKey::write(&key_id, &secret));
        let digest = ApiKey::digest(&key).to_vec();
        let scopes: Vec<&str> = scopes.iter().map(|scope| scope.name()).collect();
        self.rows(END_EXPIRED, &[&tenant.as_str(), name]).await?;
        match self.rows(ISSUE, &[&key_id, &tenant.as_str(), name, &digest, &scopes, expires_at]).await {
            Ok(rows) => rows.first().map(|row| Ok(IssuedApiKey { info: info(row)?, key })).transpose(),
            // Somebody else took the last place just now.
            Err(VaultError::Database(error)) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The keys of a tenant, those that are no more among them.
    pub async fn api_keys_of(&self, tenant: &Tenant) -> Result<Vec<ApiKeyInfo>, VaultError> {
        self.rows(LIST, &[&tenant.as_str()]).await?.iter().map(info).collect()
    }

    /// Ends a key for good; false when the tenant never had it.
    pub async fn revoke_api_key(&self, tenant: &Tenant, key_id: &str) -> Result<bool, VaultError> {
        Ok(!self.rows(REVOKE, &[&tenant.as_str(), &key_id]).await?.is_empty())
    }

    fn new_key_id(&self) -> Result<String, VaultError> {
        let random = aead::random_key()?;
        let random = &random[..RANDOM_BYTES];
        Ok(data_encoding::HEXLOWER.encode(&[random, &self.tag(random)].concat()))
    }

    /// Whoever has no key has nobody look for one.
    fn is_our_id(&self, key_id: &str) -> bool {
        let bytes = data_encoding::HEXLOWER.decode(key_id.as_bytes()).ok();
        let parts = bytes.as_deref().and_then(|bytes| bytes.split_at_checked(RANDOM_BYTES));
        parts.is_some_and(|(random, tag)| tag == self.tag(random))
    }

    fn tag(&self, random: &[u8]) -> [u8; TAG_BYTES] {
        let hash = keyed_hash(&self.derive(PURPOSE), &[random]);
        [hash[0], hash[1], hash[2], hash[3]]
    }
}

impl ApiKeys for Vault {
    fn find<'a>(&'a self, key_id: &'a str) -> BoxFuture<'a, Result<Option<KeptKey>, KeysAway>> {
        Box::pin(async move {
            if !self.is_our_id(key_id) {
                return Ok(None);
            }
            let found = self.rows(FIND, &[&key_id]).await.and_then(|rows| rows.first().map(info).transpose());
            found.map(|found| found.map(|found| found.kept)).map_err(|error| {
                tracing::warn!(error = &error as &dyn std::error::Error, "an API key cannot be looked up");
                KeysAway
            })
        })
    }
}

fn info(row: &Row) -> Result<ApiKeyInfo, VaultError> {
    let revoked_at: Option<DateTime<Utc>> = row.try_get("revoked_at")?;
    let scopes: Vec<String> = row.try_get("scopes")?;
    let kept = KeptKey {
        tenant: row.try_get::<_, &str>("tenant")?.parse().map_err(|_| VaultError::Corrupt("tenant"))?,
        name: row.try_get("name")?,
        digest: row.try_get("digest")?,
        // A scope that is no more gives nothing.
        scopes: scopes.iter().filter_map(|name| Scope::named(name)).collect(),
        expires_at: row.try_get("expires_at")?,
        is_revoked: revoked_at.is_some(),
    };
    Ok(ApiKeyInfo { key_id: row.try_get("key_id")?, kept, issued_at: row.try_get("issued_at")?, revoked_at })
}
