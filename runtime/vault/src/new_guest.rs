//! Keys for guests nobody knew before, stored for many guests in one statement.

use std::collections::HashSet;
use std::sync::Arc;

use proto::subject::{Owner, Tenant};
use tokio_postgres::types::ToSql;

use crate::guest_keys::{FIRST_EPOCH, GuestKeys, SEALED_CLASSES, key_place};
use crate::vault::{Vault, VaultError};

/// A guest that has a key keeps those it has: one that was deleted is not made again.
const ADD_KEYS: &str = "
-- add_keys_of_guests()
INSERT INTO vault.guest_key (tenant, guest_id, epoch, contact, behaviour, free_text, special)
SELECT made.tenant, made.guest_id, $1, made.contact, made.behaviour, made.free_text, made.special
FROM UNNEST($2::text[], $3::text[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bytea[])
  AS made (tenant, guest_id, contact, behaviour, free_text, special)
WHERE NOT EXISTS (
  SELECT FROM vault.guest_key AS kept WHERE kept.tenant = made.tenant AND kept.guest_id = made.guest_id
)
ORDER BY tenant, guest_id
ON CONFLICT DO NOTHING
RETURNING tenant, guest_id";

/// A guest with keys made for it, of which the vault knows nothing yet.
pub(crate) struct NewGuest {
    pub(crate) guest: (Tenant, Owner),
    wrapped: [Vec<u8>; SEALED_CLASSES.len()],
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
        let mut wrapped = [const { Vec::new() }; SEALED_CLASSES.len()];
        for (wrapped, key) in wrapped.iter_mut().zip(keys.iter()) {
            *wrapped = self.0.kek.wrap(&key_place(&guest.0, &guest.1, key.class, key.epoch), &key.key)?;
        }
        Ok((Arc::new(keys), NewGuest { guest, wrapped }))
    }

    /// Whether each guest's keys were stored, in the order asked.
    async fn add_keys(&self, guests: &[NewGuest]) -> Result<Vec<bool>, VaultError> {
        let keys = KeyRows::of(guests.iter());
        let mut asked: Vec<&(dyn ToSql + Sync)> = vec![&FIRST_EPOCH, &keys.tenants, &keys.guests];
        asked.extend(keys.wrapped.iter().map(|column| column as &(dyn ToSql + Sync)));
        let rows = self.rows(ADD_KEYS, &asked).await?;
        let added = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
        let added: HashSet<(&str, &str)> = added.collect::<Result<_, VaultError>>()?;
        let is_added = |guest: &(Tenant, Owner)| added.contains(&(guest.0.as_str(), guest.1.as_str()));
        Ok(guests.iter().zip(keys.first).map(|(new, first)| first && is_added(&new.guest)).collect())
    }
}

/// The keys of new guests as the columns of a statement, each guest once.
pub(crate) struct KeyRows<'a> {
    pub(crate) tenants: Vec<&'a str>,
    pub(crate) guests: Vec<&'a str>,
    /// A column for each class.
    pub(crate) wrapped: [Vec<&'a [u8]>; SEALED_CLASSES.len()],
    /// For each guest asked for: whether the keys among the rows are the ones made for this very question.
    pub(crate) first: Vec<bool>,
}

impl<'a> KeyRows<'a> {
    pub(crate) fn of(guests: impl Iterator<Item = &'a NewGuest>) -> Self {
        let mut rows = Self { tenants: vec![], guests: vec![], wrapped: Default::default(), first: vec![] };
        let mut seen = HashSet::new();
        for NewGuest { guest, wrapped } in guests {
            let first = seen.insert(guest);
            rows.first.push(first);
            if first {
                rows.tenants.push(guest.0.as_str());
                rows.guests.push(guest.1.as_str());
                rows.wrapped.iter_mut().zip(wrapped).for_each(|(column, wrapped)| column.push(wrapped));
            }
        }
        rows
    }
}
