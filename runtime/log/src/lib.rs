//! The log as a reader sees it: connect, the stream, Direct Get, ordered read. There is no append here: only
//! command-service can do that.

pub mod connect;
pub mod direct_get;
pub mod durability;
pub mod intake;
pub mod leader;
pub mod published;
pub mod read;
pub mod stream;

pub use connect::{LogError, connect, connect_and_tell};
pub use stream::LogInfo;
