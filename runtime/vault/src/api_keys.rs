//! API keys: issued, found, listed and revoked. Of a key only its digest is kept.

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use proto::subject::Tenant;
use runtime::auth::{ApiKey, ApiKeys, KeptKey, KeysAway, Scope};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use zeroize::Zeroizing;

use crate::aead;
use crate::kek::keyed_hash;
use crate::vault::{Vault, VaultError};

const ID_PURPOSE: &str = "ids of api keys";
const ROW_PURPOSE: &str = "rows of api keys";
const RANDOM_BYTES: usize = 10;
/// Of an id: enough to tell that we made it without asking the database.
const TAG_BYTES: usize = 4;

/// Keys that have expired make room.
const END_EXPIRED: &str = "
-- end_expired_api_keys()
UPDATE vault.api_key
SET revoked_at = expires_at
WHERE tenant = $1 AND name = $2 AND revoked_at IS NULL AND expires_at <= now()";

/// Of one tenant.
const MOST_ACTIVE: i64 = 500;
/// Of those who ask for a key of the same name at once, one is first; how often the others look for the other place.
const ATTEMPTS: u32 = 3;

const ISSUE: &str = "
-- issue_api_key()
INSERT INTO vault.api_key (key_id, tenant, name, slot, digest, scopes, expires_at, mac)
SELECT $1, $2, $3, free.slot, $4, $5, $6, $7
FROM (VALUES (1::smallint), (2::smallint)) AS free (slot)
WHERE NOT EXISTS (
  SELECT FROM vault.api_key AS active
  WHERE active.tenant = $2 AND active.name = $3 AND active.slot = free.slot AND active.revoked_at IS NULL
) AND (SELECT count(*) FROM vault.api_key WHERE tenant = $2 AND revoked_at IS NULL) < $8
ORDER BY free.slot
LIMIT 1
RETURNING key_id, tenant, name, digest, scopes, issued_at, expires_at, revoked_at, mac";

const FIND: &str = "
-- find_api_key()
SELECT key_id, tenant, name, digest, scopes, issued_at, expires_at, revoked_at, mac
FROM vault.api_key
WHERE key_id = $1";

/// Those that are active come first: none of them is ever left out.
const LIST: &str = "
-- list_api_keys()
SELECT key_id, tenant, name, digest, scopes, issued_at, expires_at, revoked_at, mac
FROM vault.api_key
WHERE tenant = $1
ORDER BY revoked_at DESC NULLS FIRST, name, issued_at, key_id
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
    /// [`Vault::new_api_key_id`]
    pub key_id: String,
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
    /// Makes a key; `None` when two of the name are active, or as many of the tenant as it may have.
    pub async fn issue_api_key(&self, new: &NewApiKey) -> Result<Option<IssuedApiKey>, VaultError> {
        let NewApiKey { key_id, tenant, name, scopes, expires_at } = new;
        let secret = Zeroizing::new(data_encoding::HEXLOWER.encode(&*aead::random_key()?));
        let key = Zeroizing::new(ApiKey::write(key_id, &secret));
        let digest = ApiKey::digest(&key).to_vec();
        let scopes: Vec<&str> = scopes.iter().map(|scope| scope.name()).collect();
        let mac = self.row_mac(key_id, tenant, name, &digest, &scopes, expires_at.as_ref()).to_vec();
        self.rows(END_EXPIRED, &[&tenant.as_str(), name]).await?;
        for _ in 0..ATTEMPTS {
            let asked: [&(dyn ToSql + Sync); 8] =
                [key_id, &tenant.as_str(), name, &digest, &scopes, expires_at, &mac, &MOST_ACTIVE];
            match self.rows(ISSUE, &asked).await {
                Ok(rows) => {
                    let Some(row) = rows.first() else { return Ok(None) };
                    let info = self.info(row)?.ok_or(VaultError::Corrupt("an API key that was stored otherwise"))?;
                    return Ok(Some(IssuedApiKey { info, key }));
                }
                // Somebody else took the place just now; there may be another.
                Err(VaultError::Database(error)) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// The keys of a tenant: all that are active, and those that are no more, as far as there is room for 1,000.
    pub async fn api_keys_of(&self, tenant: &Tenant) -> Result<Vec<ApiKeyInfo>, VaultError> {
        self.rows(LIST, &[&tenant.as_str()]).await?.iter().filter_map(|row| self.info(row).transpose()).collect()
    }

    /// Ends a key for good; false when the tenant never had it.
    pub async fn revoke_api_key(&self, tenant: &Tenant, key_id: &str) -> Result<bool, VaultError> {
        Ok(!self.rows(REVOKE, &[&tenant.as_str(), &key_id]).await?.is_empty())
    }

    /// An id that is told to be ours without a look into the database.
    pub fn new_api_key_id(&self) -> Result<String, VaultError> {
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

    fn row_mac(
        &self,
        key_id: &str,
        tenant: &Tenant,
        name: &str,
        digest: &[u8],
        scopes: &[&str],
        expires_at: Option<&DateTime<Utc>>,
    ) -> [u8; 32] {
        let (scopes, expires_at) = (scopes.join(" "), expires_at.map_or(i64::MAX, DateTime::timestamp_micros));
        let (tenant, expires_at) = (tenant.as_str().as_bytes(), expires_at.to_be_bytes());
        let fields = [key_id.as_bytes(), tenant, name.as_bytes(), digest, scopes.as_bytes(), &expires_at];
        keyed_hash(&self.derive(ROW_PURPOSE), &fields)
    }

    /// `None` for a row that is not as we wrote it: nobody has such a key.
    fn info(&self, row: &Row) -> Result<Option<ApiKeyInfo>, VaultError> {
        let revoked_at: Option<DateTime<Utc>> = row.try_get("revoked_at")?;
        let names: Vec<&str> = row.try_get("scopes")?;
        let kept = KeptKey {
            tenant: row.try_get::<_, &str>("tenant")?.parse().map_err(|_| VaultError::Corrupt("tenant"))?,
            name: row.try_get("name")?,
            digest: row.try_get("digest")?,
            // A scope that is no more gives nothing.
            scopes: names.iter().filter_map(|name| Scope::named(name)).collect(),
            expires_at: row.try_get("expires_at")?,
            is_revoked: revoked_at.is_some(),
        };
        let key_id: String = row.try_get("key_id")?;
        let mac = self.row_mac(&key_id, &kept.tenant, &kept.name, &kept.digest, &names, kept.expires_at.as_ref());
        if row.try_get::<_, &[u8]>("mac")? != mac {
            tracing::error!(alarm = "api_key_altered", key_id, "an API key is not what was issued, and is not taken");
            return Ok(None);
        }
        Ok(Some(ApiKeyInfo { key_id, kept, issued_at: row.try_get("issued_at")?, revoked_at }))
    }

    fn tag(&self, random: &[u8]) -> [u8; TAG_BYTES] {
        let hash = keyed_hash(&self.derive(ID_PURPOSE), &[random]);
        [hash[0], hash[1], hash[2], hash[3]]
    }
}

impl ApiKeys for Vault {
    fn find<'a>(&'a self, key_id: &'a str) -> BoxFuture<'a, Result<Option<KeptKey>, KeysAway>> {
        Box::pin(async move {
            if !self.is_our_id(key_id) {
                return Ok(None);
            }
            let found = self.rows(FIND, &[&key_id]).await;
            let found = found.and_then(|rows| rows.first().map_or(Ok(None), |row| self.info(row)));
            found.map(|found| found.map(|found| found.kept)).map_err(|error| {
                tracing::warn!(error = &error as &dyn std::error::Error, "an API key cannot be looked up");
                KeysAway
            })
        })
    }
}
