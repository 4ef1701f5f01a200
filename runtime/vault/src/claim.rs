//! Claims of identifiers, many in one statement: each goes to the first who claims it, with keys for the guest it names.

use std::collections::HashMap;

use proto::identifier::Identifier;
use proto::subject::{Owner, Tenant};
use tokio_postgres::types::ToSql;

use crate::guest_keys::FIRST_EPOCH;
use crate::new_guest::{KeyRows, NewGuest};
use crate::register::{KnownAs, owner_at};
use crate::vault::{Vault, VaultError};

/// Keys are made only for the guest whose claim won: a lost claim leaves nothing behind. Of equal claims the first wins. In
/// the order of the keys, so that two processes with the same claims wait for each other and never in a circle.
const CLAIM: &str = "
-- claim_identifiers()
WITH asked AS (
  SELECT *
  FROM UNNEST($1::text[], $2::text[], $3::bytea[], $4::text[])
    WITH ORDINALITY AS asked (tenant, namespace, digest, guest_id, place)
), known AS (
  SELECT DISTINCT tenant, namespace, digest, identifier.guest_id
  FROM asked JOIN vault.identifier USING (tenant, namespace, digest)
), claimed AS (
  INSERT INTO vault.identifier (tenant, namespace, digest, guest_id, claimed_at)
  SELECT tenant, namespace, digest, guest_id, now()
  FROM asked
  ORDER BY tenant, namespace, digest, place
  ON CONFLICT (tenant, namespace, digest) DO NOTHING
  RETURNING tenant, namespace, digest, guest_id
), keyed AS (
  INSERT INTO vault.guest_key (tenant, guest_id, epoch, contact, behaviour, free_text, special)
  SELECT tenant, guest_id, $5, made.contact, made.behaviour, made.free_text, made.special
  FROM claimed
  JOIN UNNEST($6::text[], $7::text[], $8::bytea[], $9::bytea[], $10::bytea[], $11::bytea[])
    AS made (tenant, guest_id, contact, behaviour, free_text, special)
    USING (tenant, guest_id)
  ORDER BY tenant, guest_id
  ON CONFLICT DO NOTHING
  RETURNING tenant, guest_id, epoch
)
SELECT tenant, namespace, digest, guest_id, false AS keyed
FROM known
UNION ALL
SELECT tenant, namespace, digest, guest_id, keyed.epoch IS NOT NULL
FROM claimed
LEFT JOIN keyed USING (tenant, guest_id)";

pub(crate) struct NewClaim {
    known_as: KnownAs,
    proposed: NewGuest,
}

/// What became of a claim.
pub(crate) enum Claimed {
    /// The guest that has the identifier; `keyed` when it is the proposed one, with the keys made for it.
    By { owner: Owner, keyed: bool },
    /// Somebody won it while the statement ran.
    Lost,
}

impl Vault {
    /// The guest of an identifier, registering `proposed` with keys of its own when nobody has it yet.
    pub async fn register(
        &self,
        tenant: &Tenant,
        identifier: &Identifier,
        proposed: Owner,
    ) -> Result<Owner, VaultError> {
        let known_as = self.known_as(tenant, identifier).await?;
        if let Some((owner, _)) = self.0.owners.get(&known_as) {
            return Ok(owner);
        }
        let guest = (tenant.clone(), proposed);
        let (keys, proposed) = self.new_guest(guest.clone())?;
        let claim = NewClaim { known_as: known_as.clone(), proposed };
        match self.0.claims.ask(claim, async |claims| self.claim(claims).await).await? {
            Claimed::By { owner, keyed } => {
                if keyed {
                    self.0.keys.insert(guest, keys);
                }
                self.cache_owner(known_as, &owner);
                Ok(owner)
            }
            Claimed::Lost => self.find(known_as).await?.ok_or(VaultError::Corrupt("a claim that was lost and not won")),
        }
    }

    async fn claim(&self, claims: &[NewClaim]) -> Result<Vec<Claimed>, VaultError> {
        let keys = KeyRows::of(claims.iter().map(|claim| &claim.proposed));
        let tenants: Vec<&str> = claims.iter().map(|claim| claim.known_as.tenant.as_str()).collect();
        let namespaces: Vec<&str> = claims.iter().map(|claim| claim.known_as.namespace.as_str()).collect();
        let digests: Vec<&[u8]> = claims.iter().map(|claim| claim.known_as.digest.as_slice()).collect();
        let guests: Vec<&str> = claims.iter().map(|claim| claim.proposed.guest.1.as_str()).collect();
        let mut asked: Vec<&(dyn ToSql + Sync)> =
            vec![&tenants, &namespaces, &digests, &guests, &FIRST_EPOCH, &keys.tenants, &keys.guests];
        asked.extend(keys.wrapped.iter().map(|column| column as &(dyn ToSql + Sync)));
        let rows = self.rows(CLAIM, &asked).await?;
        let mut owners = HashMap::new();
        for row in &rows {
            let known_as: (&str, &str, &[u8]) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            owners.insert(known_as, (owner_at(row, 3)?, row.try_get::<_, bool>(4)?));
        }
        let mut answers = Vec::with_capacity(claims.len());
        for (claim, first) in claims.iter().zip(keys.first) {
            let KnownAs { tenant, namespace, digest } = &claim.known_as;
            let found = owners.get(&(tenant.as_str(), namespace.as_str(), digest.as_slice()));
            answers.push(found.map_or(Claimed::Lost, |(owner, keyed)| {
                let keyed = *keyed && first && *owner == claim.proposed.guest.1;
                Claimed::By { owner: owner.clone(), keyed }
            }));
        }
        Ok(answers)
    }
}
