//! The doors: what a request must be before it is a command.

mod decode;
pub(crate) mod http;
pub(crate) mod intake;
pub(crate) mod nats;

use std::sync::Arc;

use crate::target::Address;
use crate::turn_queue::TurnQueue;

/// Commands one door carries out at once; beyond them callers are asked to come again.
const MAX_IN_FLIGHT: usize = 1_024;

/// A sender's commands about one guest are carried out in the order they came, also those nobody waits for.
pub(crate) type Order = Arc<TurnQueue<Address>>;
