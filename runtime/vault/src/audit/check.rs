//! Reading the trail: whether it is as it was written, and what stands in it.

use std::collections::BTreeMap;
use std::fmt;

use super::append::mac;
use super::chain::{Chain, Head, Links};
use super::entry::Entry;
use crate::vault::{Vault, VaultError};

/// Entries that are read at a time.
const PAGE: i64 = 1_000;

const CHAINS: &str = "
-- audit_chains()
SELECT chain, max(seq), count(*)
FROM audit.entry
GROUP BY chain
ORDER BY chain";

const ENTRIES: &str = "
-- audit_entries()
SELECT seq, text, mac
FROM audit.entry
WHERE chain = $1 AND seq > $2
ORDER BY seq
LIMIT $3";

/// An entry as it lies in the table.
pub struct Stored {
    pub seq: i64,
    pub text: String,
    mac: Vec<u8>,
}

impl Stored {
    /// `None` when nobody who may write the trail wrote it.
    pub fn entry(&self) -> Option<Entry> {
        serde_json::from_str(&self.text).ok()
    }
}

/// Where a chain is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The entry of this number is gone.
    Missing(i64),
    /// The entry of this number, or what comes before it, is not what was written.
    Altered(i64),
    /// The entry of this number was another one when its hash was noted.
    OtherThanNoted(i64),
    /// There used to be entries up to this number.
    Shortened(i64),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(seq) => write!(f, "entry {seq} is gone"),
            Self::Altered(seq) => write!(f, "entry {seq} is not as it was written"),
            Self::OtherThanNoted(seq) => write!(f, "entry {seq} is another one than the noted head says"),
            Self::Shortened(seq) => write!(f, "entries up to {seq} were noted, and the last of them are gone"),
        }
    }
}

/// Checks one chain, page by page.
pub struct Check<'a> {
    vault: &'a Vault,
    links: Links,
    chain: Chain,
    last: Head,
    /// A head as it was noted earlier.
    noted: Option<Head>,
}

impl<'a> Check<'a> {
    pub fn new(vault: &'a Vault, chain: Chain, noted: Option<Head>) -> Self {
        Self { vault, links: Links::of(vault), chain, last: Head::NONE, noted }
    }

    /// The next entries, none at the end; or where the chain is broken.
    pub async fn page(&mut self) -> Result<Result<Vec<Stored>, Broken>, VaultError> {
        let page = self.vault.audit_entries(&self.chain, self.last.seq).await?;
        for stored in &page {
            if let Err(broken) = self.follow(stored) {
                return Ok(Err(broken));
            }
        }
        let is_over = page.is_empty();
        Ok(match self.noted.filter(|noted| is_over && noted.seq > self.last.seq) {
            Some(noted) => Err(Broken::Shortened(noted.seq)),
            None => Ok(page),
        })
    }

    /// How many entries were found whole.
    pub fn checked(&self) -> i64 {
        self.last.seq
    }

    fn follow(&mut self, stored: &Stored) -> Result<(), Broken> {
        let expected = self.links.link(self.chain.as_str(), &self.last, &stored.text);
        if stored.seq != expected.seq {
            return Err(Broken::Missing(expected.seq));
        }
        if stored.mac != expected.mac {
            return Err(Broken::Altered(expected.seq));
        }
        if self.noted.is_some_and(|noted| noted.seq == expected.seq && noted.mac != expected.mac) {
            return Err(Broken::OtherThanNoted(expected.seq));
        }
        self.last = expected;
        Ok(())
    }
}

impl Vault {
    /// Every chain, and how many entries it has.
    pub async fn audit_chains(&self) -> Result<BTreeMap<Chain, i64>, VaultError> {
        let rows = self.rows(CHAINS, &[]).await?;
        rows.iter()
            .map(|row| {
                let chain: &str = row.try_get(0)?;
                Ok((chain.parse().map_err(|_| VaultError::Corrupt("a chain of the audit trail"))?, row.try_get(2)?))
            })
            .collect()
    }

    /// Entries of a chain after the one of this number, as they lie there.
    pub async fn audit_entries(&self, chain: &Chain, after: i64) -> Result<Vec<Stored>, VaultError> {
        let rows = self.rows(ENTRIES, &[&chain.as_str(), &after, &PAGE]).await?;
        rows.iter()
            .map(|row| Ok(Stored { seq: row.try_get(0)?, text: row.try_get(1)?, mac: row.try_get(2)? }))
            .collect()
    }
}

impl Head {
    /// Reads `seq hash`, as it is printed.
    pub fn parse(seq: &str, hash: &str) -> Option<Self> {
        let bytes = data_encoding::HEXLOWER.decode(hash.as_bytes()).ok()?;
        Some(Self { seq: seq.parse().ok()?, mac: mac(&bytes).ok()? })
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.seq, data_encoding::HEXLOWER.encode(&self.mac))
    }
}
