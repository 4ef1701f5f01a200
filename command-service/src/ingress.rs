//! The doors: what a request must be before it is a command.

mod decode;
pub(crate) mod http;
pub(crate) mod nats;

/// Commands one door carries out at once; beyond them callers are asked to come again.
const MAX_IN_FLIGHT: usize = 1_024;
