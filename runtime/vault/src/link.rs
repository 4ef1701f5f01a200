//! Identifiers that guests get and give back while they are known: the register says whose each is, before the log does.

use proto::identifier::Identifier;
use proto::subject::{Owner, Tenant};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::vault::{Vault, VaultError};

/// Of a guest who has it, a claim is made anew: whoever wants to take the earlier one away finds that it does not stand.
const LINK: &str = "
-- link_identifier()
INSERT INTO vault.identifier AS known (tenant, namespace, digest, guest_id, claim, claimed_at)
VALUES ($1, $2, $3, $4, $5, now())
ON CONFLICT (tenant, namespace, digest) DO UPDATE SET claim = excluded.claim, claimed_at = excluded.claimed_at
WHERE known.guest_id = excluded.guest_id
RETURNING guest_id";

const CLAIM_OF: &str = "
-- claim_of_identifier()
SELECT claim, COALESCE(claimed_at < now() - interval '1 minute', true)
FROM vault.identifier
WHERE tenant = $1 AND namespace = $2 AND digest = $3 AND guest_id = $4";

const RELEASE: &str = "
-- release_identifier()
DELETE FROM vault.identifier
WHERE tenant = $1 AND namespace = $2 AND digest = $3 AND guest_id = $4 AND claim IS NOT DISTINCT FROM $5";

const TRIES: usize = 3;

/// Whose an identifier is, now that one has asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Linked {
    /// The guest's it was asked for.
    Own,
    /// Another one's, who had it before.
    Taken(Owner),
}

/// A guest's claim of an identifier, as it stood when it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    id: Option<Uuid>,
    /// Made longer ago than a command may take from its claim to its commit.
    pub is_old: bool,
}

impl Vault {
    /// Has the identifier name the guest, unless it names another. To be called before the log says so.
    pub async fn link(&self, tenant: &Tenant, identifier: &Identifier, guest: &Owner) -> Result<Linked, VaultError> {
        let known_as = self.known_as(tenant, identifier).await?;
        let (digest, claim) = (known_as.digest.as_slice(), runtime::clock::random_id());
        let asked: [&(dyn ToSql + Sync); 5] = [&tenant.as_str(), &known_as.namespace, &digest, &guest.as_str(), &claim];
        for _ in 0..TRIES {
            if !self.rows(LINK, &asked).await?.is_empty() {
                self.cache_owner(known_as, guest);
                return Ok(Linked::Own);
            }
            // Given back between the two statements, it is free again.
            if let Some(owner) = self.find(known_as.clone()).await? {
                return Ok(if owner == *guest { Linked::Own } else { Linked::Taken(owner) });
            }
        }
        Err(VaultError::Corrupt("an identifier that is nobody's and cannot be had"))
    }

    /// The guest's claim of an identifier; `None` when it has none.
    pub async fn claim_of(
        &self,
        tenant: &Tenant,
        identifier: &Identifier,
        guest: &Owner,
    ) -> Result<Option<Claim>, VaultError> {
        let known_as = self.known_as(tenant, identifier).await?;
        let digest = known_as.digest.as_slice();
        let rows = self.rows(CLAIM_OF, &[&tenant.as_str(), &known_as.namespace, &digest, &guest.as_str()]).await?;
        rows.first().map(|row| Ok(Claim { id: row.try_get(0)?, is_old: row.try_get(1)? })).transpose()
    }

    /// Takes a claim back, if it is the one that stands. To be called after the log says that the guest has the identifier no more;
    /// and with a claim from before that, or with an old one.
    pub async fn release(
        &self,
        tenant: &Tenant,
        identifier: &Identifier,
        guest: &Owner,
        claim: Claim,
    ) -> Result<(), VaultError> {
        let known_as = self.known_as(tenant, identifier).await?;
        let digest = known_as.digest.as_slice();
        self.rows(RELEASE, &[&tenant.as_str(), &known_as.namespace, &digest, &guest.as_str(), &claim.id]).await?;
        self.0.owners.remove(&known_as);
        Ok(())
    }
}
