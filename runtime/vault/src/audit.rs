//! The audit trail: who did what, and about whom. One chain of entries for each tenant and one for the installation; each entry
//! carries a keyed hash of itself and of the one before, so whatever is changed, taken out or put in shows.
//!
//! It lies beside the keys because neither can be computed from the log. The services may add entries and look at the end of a
//! chain, nothing else; and no right in the database is enough to make a hash, since its key is derived from the key file.

mod append;
mod chain;
mod check;
mod entry;
mod trail;
mod vouch;

pub use append::Entries;
pub use chain::{Chain, Head};
pub use check::{Broken, Check, Stored};
pub use entry::{Act, Actor, Entry};
pub use trail::{Full, Trail, Unrecorded};
