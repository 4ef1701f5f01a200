//! What crosses a process boundary: commands and events, the commit they are stored in, subjects and headers.
//!
//! The messages are defined in the `.proto` files beside this crate's manifest, one per facet. Adding a command or an event
//! there is all this crate needs: `build/` generates the messages, [`Command`], [`Event`], [`EVENT_TYPES`] and the schemas
//! of what is JSON.

mod event_type;
pub mod header;
pub mod identifier;
mod json_text;
#[cfg(test)]
mod schema;
pub mod strict_json;
pub mod subject;
pub mod token;
mod trace_parent;
mod upcast;

pub use commit::{Actor, Commit, KeyVersion, SealedPart, Snapshot, StoredEvent};
pub use event_type::EventType;
pub use generated::{Command, DataClass, EVENT_TYPES, Event, REPLY_SCHEMA, commit, guest, interactions, reply, tenant};
pub use json_text::accept as json_object;
pub use reply::{EventId, Reply};
pub use strict_json::JsonRefused;
pub use trace_parent::{InvalidTraceParent, TraceParent};
pub use upcast::EventFault;

#[expect(clippy::pedantic, unreachable_pub, unused_mut, reason = "generated from the .proto files")]
mod generated {
    use crate::EventType;

    include!(concat!(env!("OUT_DIR"), "/messages.rs"));
    include!(concat!(env!("OUT_DIR"), "/facets.rs"));
    pub use keepsake::*;
}

/// The file descriptor set of every `.proto`, options included.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Why a protobuf command body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ProtobufFault {
    #[error(transparent)]
    Decode(#[from] prost::DecodeError),
    #[error("{field}: {refused}")]
    Json { field: &'static str, refused: JsonRefused },
}

/// Why a JSON command body could not be read: the field it stopped at and what was wrong there.
pub type JsonFault = serde_path_to_error::Error<serde_json::Error>;

fn from_json<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, JsonFault> {
    match serde_json::from_slice(body) {
        Ok(value) => Ok(value),
        // Keeping track of the path costs time, so it is done only when somebody is told of it.
        Err(_) => serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_slice(body)),
    }
}
