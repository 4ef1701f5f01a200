//! The vault: what no log holds. Guests' keys, the register of their identifiers, what the keys are for, sealing; API keys,
//! and the audit trail.
//!
//! It is a Postgres database of its own. Keys leave it only unwrapped in memory, and are wiped when dropped.

mod aead;
mod api_keys;
pub mod audit;
mod claim;
mod group;
mod guest_keys;
mod kek;
mod link;
mod migrate;
mod new_guest;
mod register;
mod sealing;
mod snapshot;
mod tenant_secret;
mod vault;
mod wire;

pub use api_keys::{ApiKeyInfo, IssuedApiKey, NewApiKey};
pub use guest_keys::GuestKeys;
pub use kek::{Kek, KekError};
pub use link::{Claim, Linked};
pub use migrate::{Role, migrate};
pub use sealing::{OpenError, OpenedEvent, SealError, open, open_part, seal, seal_part};
pub use snapshot::{open_state, seal_state};
pub use tenant_secret::TenantSecret;
pub use vault::{Vault, VaultError};
