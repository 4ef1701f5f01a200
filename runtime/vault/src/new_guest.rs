//! Keys for guests nobody knew before, stored for many guests in one statement.

use std::collections::HashSet;
use std::sync::Arc;

use proto::subject::{Owner, Tenant};
use tokio_postgres::types::ToSql;

use crate::guest_keys::{DataKey, FIRST_EPOCH, GuestKeys, SEALED_CLASSES, key_place};
use crate::vault::{Vault, VaultError};

/// A guest that has a key keeps those it has: one that was deleted is not made again.
const ADD_KEYS: &str = "
-- add_keys_of_guests()
WITH keyed AS (
  INSERT INTO vault.data_key (tenant, guest_id, class, epoch, wrapped)
  SELECT made.tenant, made.guest_id, made.class, $1, made.wrapped
  FROM UNNEST($2::text[], $3::text[], $4::smallint[], $5::bytea[]) AS made (tenant, guest_id, class, wrapped)
  WHERE NOT EXISTS (
    SELECT FROM vault.data_key AS kept WHERE kept.tenant = made.tenant AND kept.guest_id = made.guest_id
  )
  ORDER BY tenant, guest_id, class
  ON CONFLICT DO NOTHING
  RETURNING tenant, guest_id
)
SELECT tenant, guest_id, count(*)
FROM keyed
GROUP BY tenant, guest_id";

/// A guest with keys made for it, of which the vault knows nothing yet.
pub(crate) struct NewGuest {
    pub(crate) guest: (Tenant, Owner),
    /// In the order of the classes.
    wrapped: Vec<Vec<u8>>,
}

impl Vault {
    /// Gives a guest without identifier its keys; a guest that has keys keeps them.
    pub async fn add_guest(&self, tenant: &Tenant, guest: &Owner) -> Result<(), VaultError> {
        let guest = (tenant.clone(), guest.clone());
        if self.0.keys.get(&guest).is_some() {
            return Ok(());
        }
        let (keys, added) = self.new_guest(guest.clone())?;
        if self.0.additions.ask(added, async |added| self.add_keys(added).await).await? {
            self.0.keys.insert(guest, keys);
        }
        Ok(())
    }

    pub(crate) fn new_guest(&self, guest: (Tenant, Owner)) -> Result<(Arc<GuestKeys>, NewGuest), VaultError> {
        let keys = GuestKeys::generate()?;
        let wrap = |key: &DataKey| self.0.kek.wrap(&key_place(&guest.0, &guest.1, key.class, key.epoch), &key.key);
        let wrapped = keys.iter().map(wrap).collect::<Result<_, _>>()?;
        Ok((Arc::new(keys), NewGuest { guest, wrapped }))
    }

    /// Whether each guest's keys were stored, in the order asked.
    async fn add_keys(&self, guests: &[NewGuest]) -> Result<Vec<bool>, VaultError> {
        let keys = KeyRows::of(guests.iter())?;
        let asked: [&(dyn ToSql + Sync); 5] = [&FIRST_EPOCH, &keys.tenants, &keys.guests, &keys.classes, &keys.wrapped];
        let rows = self.rows(ADD_KEYS, &asked).await?;
        let mut added = HashSet::new();
        for row in &rows {
            let guest: (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
            if all_made(row.try_get(2)?) {
                added.insert(guest);
            }
        }
        let is_added = |guest: &(Tenant, Owner)| added.contains(&(guest.0.as_str(), guest.1.as_str()));
        Ok(guests.iter().zip(keys.first).map(|(new, first)| first && is_added(&new.guest)).collect())
    }
}

/// Whether so many stored keys are all of a guest's.
pub(crate) fn all_made(keys: i64) -> bool {
    usize::try_from(keys) == Ok(SEALED_CLASSES.len())
}

/// The keys of new guests as the columns of a statement, each guest once.
pub(crate) struct KeyRows<'a> {
    pub(crate) tenants: Vec<&'a str>,
    pub(crate) guests: Vec<&'a str>,
    pub(crate) classes: Vec<i16>,
    pub(crate) wrapped: Vec<&'a [u8]>,
    /// For each guest asked for: whether the keys among the rows are the ones made for this very question.
    pub(crate) first: Vec<bool>,
}

impl<'a> KeyRows<'a> {
    pub(crate) fn of(guests: impl Iterator<Item = &'a NewGuest>) -> Result<Self, VaultError> {
        let mut rows = Self { tenants: vec![], guests: vec![], classes: vec![], wrapped: vec![], first: vec![] };
        let mut seen = HashSet::new();
        for NewGuest { guest, wrapped } in guests {
            let first = seen.insert(guest);
            rows.first.push(first);
            for (class, wrapped) in SEALED_CLASSES.into_iter().zip(wrapped).filter(|_| first) {
                rows.tenants.push(guest.0.as_str());
                rows.guests.push(guest.1.as_str());
                rows.classes.push(i16::try_from(class as i32).map_err(|_| VaultError::Corrupt("class"))?);
                rows.wrapped.push(wrapped);
            }
        }
        Ok(rows)
    }
}
