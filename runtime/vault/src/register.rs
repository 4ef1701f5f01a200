//! The register: which guest an identifier names, and the keys each guest's data is sealed under.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use proto::identifier::Identifier;
use proto::subject::{Owner, Tenant};
use tokio::time::Instant;
use tokio_postgres::Row;

use crate::aead;
use crate::guest_keys::{DataKey, GuestKeys, SEALED_CLASSES, key_place};
use crate::tenant_secret::TenantSecret;
use crate::vault::{Vault, VaultError};

const ADD_TENANT: &str = "
-- add_tenant()
INSERT INTO vault.tenant_secret (tenant, wrapped)
VALUES ($1, $2)
ON CONFLICT (tenant) DO NOTHING";

const TENANT_SECRET: &str = "
-- tenant_secret()
SELECT wrapped
FROM vault.tenant_secret
WHERE tenant = $1";

const LOOK_UP: &str = "
-- look_up_identifier()
SELECT guest_id
FROM vault.identifier
WHERE tenant = $1 AND namespace = $2 AND digest = $3";

const KEYS_OF: &str = "
-- keys_of_guests()
SELECT tenant, guest_id, epoch, contact, behaviour, free_text, special
FROM vault.guest_key
WHERE (tenant, guest_id) IN (SELECT * FROM UNNEST($1::text[], $2::text[]))";

/// An identifier as the register knows it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct KnownAs {
    pub(crate) tenant: Tenant,
    pub(crate) namespace: String,
    pub(crate) digest: [u8; 32],
}

impl Vault {
    /// Gives a tenant its secret; a tenant that has one keeps it.
    pub async fn add_tenant(&self, tenant: &Tenant) -> Result<(), VaultError> {
        let wrapped = self.0.kek.wrap(&secret_place(tenant), &aead::random_key()?)?;
        self.ask(async |asked| asked.execute(ADD_TENANT, &[&tenant.as_str(), &wrapped]).await).await.map(drop)
    }

    pub async fn tenant_secret(&self, tenant: &Tenant) -> Result<TenantSecret, VaultError> {
        if let Some(secret) = self.0.secrets.get(tenant) {
            return Ok(secret);
        }
        let rows = self.rows(TENANT_SECRET, &[&tenant.as_str()]).await?;
        let wrapped: Vec<u8> = rows.first().ok_or(VaultError::TenantUnknown)?.try_get(0)?;
        let secret = TenantSecret::new(self.0.kek.unwrap(&secret_place(tenant), &wrapped)?);
        self.0.secrets.insert(tenant.clone(), secret.clone());
        Ok(secret)
    }

    /// The guest an identifier names; `None` when nobody registered it. From the cache, where it stays however old: another process
    /// may have given the identifier to somebody else since.
    pub async fn lookup(&self, tenant: &Tenant, identifier: &Identifier) -> Result<Option<Owner>, VaultError> {
        self.look_up(tenant, identifier, Duration::MAX).await
    }

    /// The same as [`lookup`](Self::lookup), from the cache only when it was asked within `newest`.
    pub async fn look_up(
        &self,
        tenant: &Tenant,
        identifier: &Identifier,
        newest: Duration,
    ) -> Result<Option<Owner>, VaultError> {
        let known_as = self.known_as(tenant, identifier).await?;
        match self.0.owners.get(&known_as) {
            Some((owner, asked_at)) if asked_at.elapsed() < newest => Ok(Some(owner)),
            Some(_) | None => self.find(known_as).await,
        }
    }

    /// Whose an identifier was when it was asked last; `None` when that is forgotten or was never asked.
    pub fn remembered(&self, tenant: &Tenant, identifier: &Identifier) -> Option<Owner> {
        let digest = self.0.secrets.get(tenant)?.identifier_digest(identifier);
        let known_as = KnownAs { tenant: tenant.clone(), namespace: identifier.namespace().to_owned(), digest };
        self.0.owners.get(&known_as).map(|(owner, _)| owner)
    }

    pub(crate) fn cache_owner(&self, known_as: KnownAs, owner: &Owner) {
        self.0.owners.insert(known_as, (owner.clone(), Instant::now()));
    }

    pub(crate) async fn known_as(&self, tenant: &Tenant, identifier: &Identifier) -> Result<KnownAs, VaultError> {
        let digest = self.tenant_secret(tenant).await?.identifier_digest(identifier);
        Ok(KnownAs { tenant: tenant.clone(), namespace: identifier.namespace().to_owned(), digest })
    }

    /// Past the cache.
    pub(crate) async fn find(&self, known_as: KnownAs) -> Result<Option<Owner>, VaultError> {
        let (tenant, digest) = (known_as.tenant.as_str(), known_as.digest.as_slice());
        let rows = self.rows(LOOK_UP, &[&tenant, &known_as.namespace, &digest]).await?;
        let owner = rows.first().map(|row| owner_at(row, 0)).transpose()?;
        match &owner {
            Some(owner) => self.cache_owner(known_as, owner),
            None => drop(self.0.owners.remove(&known_as)),
        }
        Ok(owner)
    }

    /// The keys of one guest; `None` when it has none.
    pub async fn keys(&self, tenant: &Tenant, guest: &Owner) -> Result<Option<Arc<GuestKeys>>, VaultError> {
        let guest = (tenant.clone(), guest.clone());
        if let Some(keys) = self.0.keys.get(&guest) {
            return Ok(Some(keys));
        }
        Ok(Box::pin(self.keys_of(std::slice::from_ref(&guest))).await?.remove(&guest))
    }

    /// The keys of many guests in one question; guests without keys are absent.
    pub async fn keys_of(
        &self,
        guests: &[(Tenant, Owner)],
    ) -> Result<HashMap<(Tenant, Owner), Arc<GuestKeys>>, VaultError> {
        let cached = guests.iter().filter_map(|guest| Some((guest.clone(), self.0.keys.get(guest)?)));
        let mut found: HashMap<_, _> = cached.collect();
        let missing: Vec<_> = guests.iter().filter(|guest| !found.contains_key(*guest)).collect();
        if missing.is_empty() {
            return Ok(found);
        }
        let tenants: Vec<&str> = missing.iter().map(|(tenant, _)| tenant.as_str()).collect();
        let owners: Vec<&str> = missing.iter().map(|(_, owner)| owner.as_str()).collect();
        let rows = self.rows(KEYS_OF, &[&tenants, &owners]).await?;
        for (guest, keys) in self.unwrap_all(&rows)? {
            let keys = Arc::new(GuestKeys::from_stored(keys));
            self.0.keys.insert(guest.clone(), Arc::clone(&keys));
            found.insert(guest, keys);
        }
        Ok(found)
    }

    fn unwrap_all(&self, rows: &[Row]) -> Result<HashMap<(Tenant, Owner), Vec<DataKey>>, VaultError> {
        let mut guests: HashMap<_, Vec<DataKey>> = HashMap::new();
        for row in rows {
            let tenant: Tenant = row.try_get::<_, &str>(0)?.parse().map_err(|_| VaultError::Corrupt("tenant"))?;
            let guest = owner_at(row, 1)?;
            let epoch = row.try_get(2)?;
            let keys = guests.entry((tenant.clone(), guest.clone())).or_default();
            for (column, class) in (3..).zip(SEALED_CLASSES) {
                // A class whose key is gone is not there.
                if let Some(wrapped) = row.try_get::<_, Option<&[u8]>>(column)? {
                    let key = self.0.kek.unwrap(&key_place(&tenant, &guest, class, epoch), wrapped)?;
                    keys.push(DataKey { class, epoch, key });
                }
            }
        }
        Ok(guests)
    }
}

pub(crate) fn owner_at(row: &Row, column: usize) -> Result<Owner, VaultError> {
    row.try_get::<_, &str>(column)?.parse().map_err(|_| VaultError::Corrupt("guest id"))
}

/// Where a tenant's wrapped secret is stored.
fn secret_place(tenant: &Tenant) -> Vec<u8> {
    aead::place(&[b"tenant-secret", tenant.as_str().as_bytes()])
}
