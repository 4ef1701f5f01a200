//! What a guest did.

use proto::interactions::command::Kind as Command;
use proto::interactions::event::Kind as Event;
use proto::interactions::{InteractionRecorded, RecordInteraction};
use serde::{Deserialize, Serialize};

use crate::values::{instant, json, text, word};
use crate::{Context, Rejection, State, guest};

/// Longest kind and topic, in bytes: both are parts of index keys in the read models.
const MAX_KIND_BYTES: usize = 100;
const MAX_TOPIC_BYTES: usize = 255;

/// What decisions need to remember of a guest's interactions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interactions {
    count: u64,
}

impl Interactions {
    pub fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn evolve(&mut self, event: &Event) {
        match event {
            Event::InteractionRecorded(_) => self.count += 1,
        }
    }
}

pub(crate) fn decide(state: &State, command: &Command, context: &Context) -> Result<Vec<Event>, Rejection> {
    match command {
        Command::Record(command) => record(state, command, context),
    }
}

fn record(state: &State, command: &RecordInteraction, context: &Context) -> Result<Vec<Event>, Rejection> {
    if !state.guest.is_registered() {
        return Err(guest::Rejection::NotFound.into());
    }
    let occurred_at = match command.occurred_at.as_str() {
        "" => instant::Instant::from(context.now),
        given => instant::parse("occurred_at", given)?,
    };
    let recorded = InteractionRecorded {
        kind: word::dotted("kind", &command.kind, MAX_KIND_BYTES)?,
        topic: text::line("topic", &command.topic, MAX_TOPIC_BYTES)?,
        occurred_at: Some(occurred_at.timestamp()),
        occurred_at_offset_minutes: occurred_at.offset_minutes(),
        properties: json::object("properties", &command.properties)?,
    };
    Ok(vec![Event::InteractionRecorded(recorded)])
}

#[cfg(test)]
mod specs {
    use proto::guest::GuestRegistered;
    use proto::guest::event::Kind as GuestEvent;
    use proto::{Command, Event};

    use super::*;
    use crate::given::{NOW, given};

    fn registered() -> Event {
        Event::Guest(GuestEvent::GuestRegistered(GuestRegistered::default()))
    }

    fn record(change: impl FnOnce(&mut RecordInteraction)) -> Command {
        let mut command =
            RecordInteraction { kind: "order.created".to_owned(), topic: "Music".to_owned(), ..Default::default() };
        change(&mut command);
        Command::Interactions(super::Command::Record(command))
    }

    fn recorded(seconds: i64, offset: i32, properties: &str) -> Event {
        Event::Interactions(super::Event::InteractionRecorded(InteractionRecorded {
            kind: "order.created".to_owned(),
            topic: "Music".to_owned(),
            occurred_at: Some(prost_types::Timestamp { seconds, nanos: 0 }),
            occurred_at_offset_minutes: offset,
            properties: properties.to_owned(),
        }))
    }

    #[test]
    fn an_interaction_keeps_what_the_caller_said() {
        let properties = r#"{"dollar_value":77.00}"#;
        given([registered()])
            .when(record(|c| {
                c.occurred_at = "1997-01-12T00:00:00+01:00".to_owned();
                c.properties = properties.to_owned();
            }))
            .then([recorded(853_023_600, 60, properties)]);
    }

    #[test]
    fn an_interaction_without_time_happened_now() {
        given([registered()]).when(record(|_| {})).then([recorded(NOW.timestamp(), 0, "")]);
    }

    #[test]
    fn a_guest_nobody_registered_does_nothing() {
        given([]).when(record(|_| {})).refused("guest_not_found");
    }

    #[test]
    fn a_kind_is_dotted_lower_case_words() {
        for kind in ["", "Order Created", "order..created", ".order", "order.", "ordér"] {
            given([registered()]).when(record(|c| c.kind = kind.to_owned())).refused("validation_failed");
        }
    }

    #[test]
    fn a_time_has_an_offset() {
        for time in ["yesterday", "1997-01-12", "1997-01-12T00:00:00", "0000-00-00T00:00:00Z"] {
            given([registered()]).when(record(|c| c.occurred_at = time.to_owned())).refused("invalid_date");
        }
    }

    #[test]
    fn properties_are_one_bounded_json_object() {
        given([registered()]).when(record(|c| c.properties = "[1]".to_owned())).refused("validation_failed");
        let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(40_000));
        given([registered()]).when(record(|c| c.properties = long)).refused("too_long");
    }
}
