//! Adding entries. No lock: who adds takes the numbers after the last, and when somebody else was first, the next ones.

use tokio_postgres::error::SqlState;

use super::chain::{Chain, Head, Links, MAC_BYTES};
use super::entry::Entry;
use crate::vault::{Vault, VaultError};

/// Others can be first only so often: each time one of them has added something.
const ATTEMPTS: u32 = 50;

const HEAD: &str = "
-- audit_head()
SELECT seq, mac
FROM audit.entry
WHERE chain = $1
ORDER BY seq DESC
LIMIT 1";

const ADD: &str = "
-- add_audit_entries()
INSERT INTO audit.entry (chain, seq, text, mac)
SELECT $1, *
FROM UNNEST($2::bigint[], $3::text[], $4::bytea[])
RETURNING seq";

const HASH_AT: &str = "
-- audit_hash()
SELECT mac
FROM audit.entry
WHERE chain = $1 AND seq = $2";

/// Entries of one chain that are to be added together, and where that was tried: tried again, they are added once.
pub struct Entries {
    chain: Chain,
    texts: Vec<String>,
    /// The last of them as it was sent when no answer came.
    unclear: Option<Head>,
}

impl Entries {
    pub fn new(chain: Chain, entries: &[Entry]) -> Self {
        Self { chain, texts: entries.iter().map(Entry::text).collect(), unclear: None }
    }

    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    #[cfg(test)]
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(String::as_str)
    }
}

impl Vault {
    /// Adds entries to the trail; once this returns they are stored.
    pub async fn record(&self, entries: &mut Entries) -> Result<(), VaultError> {
        let links = Links::of(self);
        for _ in 0..ATTEMPTS {
            if let Some(sent) = entries.unclear {
                if self.hash_at(&entries.chain, sent.seq).await? == Some(sent.mac) {
                    return Ok(());
                }
                entries.unclear = None;
            }
            let head = self.audit_head(&entries.chain).await?.unwrap_or(Head::NONE);
            if self.add_after(head, &links, entries).await? {
                return Ok(());
            }
        }
        Err(VaultError::Overloaded)
    }

    /// The last entry of a chain; `None` when it has none.
    pub async fn audit_head(&self, chain: &Chain) -> Result<Option<Head>, VaultError> {
        let rows = self.rows(HEAD, &[&chain.as_str()]).await?;
        rows.first().map(|row| Ok(Head { seq: row.try_get(0)?, mac: mac(row.try_get(1)?)? })).transpose()
    }

    /// False when somebody else was first.
    async fn add_after(&self, head: Head, links: &Links, entries: &mut Entries) -> Result<bool, VaultError> {
        let Entries { chain, texts, unclear } = entries;
        let mut last = head;
        let (seqs, macs): (Vec<i64>, Vec<Vec<u8>>) = texts
            .iter()
            .map(|text| {
                last = links.link(chain.as_str(), &last, text);
                (last.seq, last.mac.to_vec())
            })
            .unzip();
        *unclear = Some(last);
        match self.rows(ADD, &[&chain.as_str(), &seqs, &*texts, &macs]).await {
            Ok(rows) if rows.len() == texts.len() => Ok(true),
            Ok(_) => Err(VaultError::Corrupt(
                "entries of the audit trail are not stored: something in the database leaves them out",
            )),
            Err(VaultError::Database(error)) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn hash_at(&self, chain: &Chain, seq: i64) -> Result<Option<[u8; MAC_BYTES]>, VaultError> {
        let rows = self.rows(HASH_AT, &[&chain.as_str(), &seq]).await?;
        rows.first().map(|row| mac(row.try_get(0)?)).transpose()
    }
}

pub(super) fn mac(bytes: &[u8]) -> Result<[u8; MAC_BYTES], VaultError> {
    bytes.try_into().map_err(|_| VaultError::Corrupt("a hash of the audit trail"))
}
