//! The publisher: maps stored events to published ones, one to one and in the log's order, and puts them into the stream `PUB`.
//!
//! It needs no keys and never opens what is sealed. An event it does not know holds it up rather than being passed over.

mod cloud_event;
mod mapping;

use event_log::read::LogMessage;
use prost::Message as _;
use proto::Commit;

use crate::error::Fault;
use crate::follow::{Begins, Effects, Follower};
use crate::outgoing::Outgoing;

pub(crate) use cloud_event::outgoing;

pub(crate) struct Publisher;

impl Follower for Publisher {
    fn name(&self) -> String {
        "publisher".to_owned()
    }

    /// Nothing of the log is left out, however late the first publisher starts.
    fn begins(&self) -> Begins {
        Begins::WithTheLog
    }

    async fn react(&self, commits: Vec<LogMessage>) -> Effects {
        let mut effects = Effects::default();
        for message in commits {
            let position = message.position;
            match published(&message) {
                Ok(mut events) => effects.messages.append(&mut events),
                Err(why) => {
                    effects.fault = Some((position, Fault::Unpublishable { position, why }));
                    break;
                }
            }
        }
        effects
    }
}

/// The published events of one commit, all or none.
fn published(message: &LogMessage) -> Result<Vec<Outgoing>, String> {
    let commit = Commit::decode(&*message.payload).map_err(|_| "it does not decode".to_owned())?;
    let mut events = Vec::new();
    for stored in &commit.events {
        let event = mapping::readable(stored).map_err(|fault| fault.to_string())?;
        if let Some(form) = mapping::published(&event, &message.subject) {
            events.push(cloud_event::message(message, &commit, stored, form));
        }
    }
    Ok(events)
}
