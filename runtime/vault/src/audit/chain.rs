//! Chains, and the keyed hash that makes one of entries.

use std::fmt;
use std::str::FromStr;

use proto::subject::{InvalidToken, Tenant};

use crate::aead::Key;
use crate::kek::keyed_hash;
use crate::vault::Vault;

/// No tenant is called so.
const INSTALLATION: &str = "*";
const PURPOSE: &str = "audit";
pub(super) const MAC_BYTES: usize = 32;

/// Entries that hang together.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Chain {
    Tenant(Tenant),
    /// What concerns all tenants.
    Installation,
}

impl Chain {
    pub fn as_str(&self) -> &str {
        match self {
            Self::Tenant(tenant) => tenant.as_str(),
            Self::Installation => INSTALLATION,
        }
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Chain {
    type Err = InvalidToken;

    fn from_str(name: &str) -> Result<Self, InvalidToken> {
        if name == INSTALLATION { Ok(Self::Installation) } else { name.parse().map(Self::Tenant) }
    }
}

/// The last entry of a chain: whoever keeps it elsewhere will notice that entries at the end are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of entries, the first being 1.
    pub seq: i64,
    pub mac: [u8; MAC_BYTES],
}

impl Head {
    /// Before the first entry.
    pub(super) const NONE: Self = Self { seq: 0, mac: [0; MAC_BYTES] };
}

/// What makes the hashes.
pub(super) struct Links(Key);

impl Links {
    pub(super) fn of(vault: &Vault) -> Self {
        Self(vault.derive(PURPOSE))
    }

    /// The head once this text follows `before`.
    pub(super) fn link(&self, chain: &str, before: &Head, text: &str) -> Head {
        // Nobody but a forger gets there, and the table takes no number twice.
        let seq = before.seq.saturating_add(1);
        let mac = keyed_hash(&self.0, &[chain.as_bytes(), &seq.to_be_bytes(), &before.mac, text.as_bytes()]);
        Head { seq, mac }
    }
}
