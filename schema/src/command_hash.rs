//! A command's id where many of them are kept.

use sha2::{Digest as _, Sha256};

/// What stands for a command's id in the command log and in an owner's memory; the commit has the id itself.
pub fn command_hash(command_id: &str) -> u64 {
    let digest = Sha256::digest(command_id.as_bytes());
    u64::from_be_bytes(digest[..8].try_into().unwrap_or_default())
}
