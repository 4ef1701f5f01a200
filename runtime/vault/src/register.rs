//! The register: which guest an identifier names, and the keys each guest's data is sealed under.

use std::collections::HashMap;
use std::sync::Arc;

use proto::DataClass;
use proto::identifier::Identifier;
use proto::subject::{Owner, Tenant};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::aead;
use crate::guest_keys::{DataKey, FIRST_EPOCH, GuestKeys, key_place};
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

/// Keys are made only for the guest whose claim won: a lost claim leaves nothing behind.
const CLAIM: &str = "
-- claim_identifier()
WITH claimed AS (
  INSERT INTO vault.identifier (tenant, namespace, digest, guest_id)
  VALUES ($1, $2, $3, $4)
  ON CONFLICT (tenant, namespace, digest) DO NOTHING
  RETURNING tenant, guest_id
), keyed AS (
  INSERT INTO vault.data_key (tenant, guest_id, class, epoch, wrapped)
  SELECT claimed.tenant, claimed.guest_id, made.class, $5, made.wrapped
  FROM claimed, UNNEST($6::smallint[], $7::bytea[]) AS made (class, wrapped)
)
SELECT guest_id
FROM claimed";

const ADD_KEYS: &str = "
-- add_keys()
INSERT INTO vault.data_key (tenant, guest_id, class, epoch, wrapped)
SELECT $1, $2, made.class, $3, made.wrapped
FROM UNNEST($4::smallint[], $5::bytea[]) AS made (class, wrapped)
ON CONFLICT DO NOTHING";

const KEYS_OF: &str = "
-- keys_of_guests()
SELECT tenant, guest_id, class, epoch, wrapped
FROM vault.data_key
WHERE (tenant, guest_id) IN (SELECT * FROM UNNEST($1::text[], $2::text[]))";

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
        let row = self.ask(async |asked| asked.query_opt(TENANT_SECRET, &[&tenant.as_str()]).await).await?;
        let wrapped: Vec<u8> = row.ok_or(VaultError::TenantUnknown)?.try_get(0)?;
        let secret = TenantSecret::new(self.0.kek.unwrap(&secret_place(tenant), &wrapped)?);
        self.0.secrets.insert(tenant.clone(), secret.clone());
        Ok(secret)
    }

    /// The guest an identifier names; `None` when nobody registered it.
    pub async fn lookup(&self, tenant: &Tenant, identifier: &Identifier) -> Result<Option<Owner>, VaultError> {
        let digest = self.tenant_secret(tenant).await?.identifier_digest(identifier);
        let cached = (tenant.clone(), identifier.namespace().to_owned(), digest);
        if let Some(owner) = self.0.owners.get(&cached) {
            return Ok(Some(owner));
        }
        let (name, namespace) = (tenant.as_str(), identifier.namespace());
        let row =
            self.ask(async |asked| asked.query_opt(LOOK_UP, &[&name, &namespace, &digest.as_slice()]).await).await?;
        let owner = row.as_ref().map(owner_in).transpose()?;
        if let Some(owner) = &owner {
            self.0.owners.insert(cached, owner.clone());
        }
        Ok(owner)
    }

    /// The guest of an identifier, registering `proposed` with keys of its own when nobody has it yet.
    pub async fn register(
        &self,
        tenant: &Tenant,
        identifier: &Identifier,
        proposed: Owner,
    ) -> Result<Owner, VaultError> {
        if let Some(owner) = self.lookup(tenant, identifier).await? {
            return Ok(owner);
        }
        let digest = self.tenant_secret(tenant).await?.identifier_digest(identifier);
        let (classes, wrapped) = self.new_keys(tenant, &proposed)?;
        let (name, namespace, guest, digest) =
            (tenant.as_str(), identifier.namespace(), proposed.as_str(), digest.as_slice());
        let claim: [&(dyn ToSql + Sync); 7] = [&name, &namespace, &digest, &guest, &FIRST_EPOCH, &classes, &wrapped];
        match self.ask(async |asked| asked.query_opt(CLAIM, &claim).await).await? {
            Some(_) => Ok(proposed),
            None => {
                self.lookup(tenant, identifier).await?.ok_or(VaultError::Corrupt("a claim that was lost and not won"))
            }
        }
    }

    /// Gives a guest without identifier its keys; a guest that has keys keeps them.
    pub async fn add_guest(&self, tenant: &Tenant, guest: &Owner) -> Result<(), VaultError> {
        let (classes, wrapped) = self.new_keys(tenant, guest)?;
        let keys: [&(dyn ToSql + Sync); 5] = [&tenant.as_str(), &guest.as_str(), &FIRST_EPOCH, &classes, &wrapped];
        self.ask(async |asked| asked.execute(ADD_KEYS, &keys).await).await.map(drop)
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
        let rows = self.ask(async |asked| asked.query(KEYS_OF, &[&tenants, &owners]).await).await?;
        for (guest, keys) in self.unwrap_all(&rows)? {
            let keys = Arc::new(GuestKeys::from_stored(keys));
            self.0.keys.insert(guest.clone(), Arc::clone(&keys));
            found.insert(guest, keys);
        }
        Ok(found)
    }

    fn new_keys(&self, tenant: &Tenant, guest: &Owner) -> Result<(Vec<i16>, Vec<Vec<u8>>), VaultError> {
        let keys = GuestKeys::generate()?;
        let wrap = |key: &DataKey| -> Result<_, VaultError> {
            let wrapped = self.0.kek.wrap(&key_place(tenant, guest, key.class, key.epoch), &key.key)?;
            Ok((i16::try_from(key.class as i32).map_err(|_| VaultError::Corrupt("class"))?, wrapped))
        };
        Ok(keys.iter().map(wrap).collect::<Result<Vec<_>, _>>()?.into_iter().unzip())
    }

    fn unwrap_all(&self, rows: &[Row]) -> Result<HashMap<(Tenant, Owner), Vec<DataKey>>, VaultError> {
        let mut guests: HashMap<_, Vec<DataKey>> = HashMap::new();
        for row in rows {
            let tenant: Tenant = row.try_get::<_, &str>(0)?.parse().map_err(|_| VaultError::Corrupt("tenant"))?;
            let guest: Owner = row.try_get::<_, &str>(1)?.parse().map_err(|_| VaultError::Corrupt("guest id"))?;
            let class =
                DataClass::try_from(i32::from(row.try_get::<_, i16>(2)?)).map_err(|_| VaultError::Corrupt("class"))?;
            let epoch: i32 = row.try_get(3)?;
            let wrapped: &[u8] = row.try_get(4)?;
            let key = self.0.kek.unwrap(&key_place(&tenant, &guest, class, epoch), wrapped)?;
            guests.entry((tenant, guest)).or_default().push(DataKey { class, epoch, key });
        }
        Ok(guests)
    }
}

fn owner_in(row: &Row) -> Result<Owner, VaultError> {
    row.try_get::<_, &str>(0)?.parse().map_err(|_| VaultError::Corrupt("guest id"))
}

/// Where a tenant's wrapped secret is stored.
fn secret_place(tenant: &Tenant) -> Vec<u8> {
    aead::place(&[b"tenant-secret", tenant.as_str().as_bytes()])
}
