//! Reading the trail: whether it is as it was written, and what stands in it.

use std::collections::BTreeMap;
use std::fmt;

use super::append::mac;
use super::chain::{Chain, Head, Links};
use super::entry::Entry;
use crate::vault::{Vault, VaultError};

/// Entries that are read at a time.
const PAGE: i64 = 1_000;

/// From one name to the next, so that it takes as long as there are chains, not entries.
const CHAINS: &str = "
-- audit_chains()
WITH RECURSIVE known (chain) AS (
  (SELECT chain FROM audit.entry ORDER BY chain LIMIT 1)
  UNION ALL
  SELECT (SELECT chain FROM audit.entry WHERE chain > known.chain ORDER BY chain LIMIT 1)
  FROM known
  WHERE known.chain IS NOT NULL
)
SELECT chain, (SELECT seq FROM audit.entry AS last WHERE last.chain = known.chain ORDER BY seq DESC LIMIT 1)
FROM known
WHERE chain IS NOT NULL";

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
    /// Entries from this number on are gone.
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
            Self::Missing(seq) => write!(f, "entry {seq} is gone, if not more"),
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

    /// How many entries come next, and what is wrong with them; `None` at the end.
    pub async fn page(&mut self) -> Result<Option<(u64, Vec<Broken>)>, VaultError> {
        let page = self.vault.audit_entries(&self.chain, self.last.seq).await?;
        if page.is_empty() {
            return Ok(None);
        }
        let mut broken = Vec::new();
        for stored in &page {
            self.follow(stored, &mut broken)?;
        }
        Ok(Some((page.len() as u64, broken)))
    }

    /// What is missing at the end, once there are no more pages.
    pub fn end(&self) -> Option<Broken> {
        self.noted.filter(|noted| noted.seq > self.last.seq).map(|noted| Broken::Shortened(noted.seq))
    }

    /// Goes on from what is there: whatever else is wrong later shows, too.
    fn follow(&mut self, stored: &Stored, broken: &mut Vec<Broken>) -> Result<(), VaultError> {
        let expected = self.links.link(self.chain.as_str(), &self.last, &stored.text);
        let found = Head { seq: stored.seq, mac: mac(&stored.mac)? };
        if found.seq != expected.seq {
            broken.push(Broken::Missing(expected.seq));
        } else if found.mac != expected.mac {
            broken.push(Broken::Altered(expected.seq));
        }
        if self.noted.is_some_and(|noted| noted.seq == found.seq && noted.mac != found.mac) {
            broken.push(Broken::OtherThanNoted(found.seq));
        }
        self.last = found;
        Ok(())
    }
}

impl Vault {
    /// Every chain, and the number of its last entry; beside them the names of chains that nobody of ours writes.
    pub async fn audit_chains(&self) -> Result<(BTreeMap<Chain, i64>, Vec<String>), VaultError> {
        let (mut chains, mut strange) = (BTreeMap::new(), Vec::new());
        for row in self.rows(CHAINS, &[]).await? {
            let name: String = row.try_get(0)?;
            match name.parse() {
                Ok(chain) => drop(chains.insert(chain, row.try_get(1)?)),
                Err(_) => strange.push(name),
            }
        }
        Ok((chains, strange))
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
