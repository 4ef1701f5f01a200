//! The log as a reader sees it: connect, the stream, Direct Get, ordered read. There is no append here: only
//! command-service can do that.

mod address;
pub mod connect;
pub mod direct_get;
pub mod durability;
pub mod intake;
pub mod leader;
pub mod permissions;
pub mod published;
pub mod read;
pub mod stream;
mod trace;

pub use address::{NatsAddress, seed_file};
pub use connect::{LogError, connect, connect_and_tell};
pub use permissions::User;
pub use stream::LogInfo;
pub use trace::trace_of;
