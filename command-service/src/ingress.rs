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

/// Commands that name the same guest are carried out in the order they came.
pub(crate) type Order = Arc<TurnQueue<Address>>;
