//! What a guest did.

use proto::interactions::command::Kind as Command;
use proto::interactions::event::Kind as Event;
use proto::interactions::{InteractionRecorded, RecordInteraction};
use serde::{Deserialize, Serialize};

use crate::values::instant::{self, Instant};
use crate::values::{json, text, word};
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

pub(crate) fn decide(state: &State, command: &Command, context: &Context<'_>) -> Result<Vec<Event>, Rejection> {
    match command {
        Command::Record(command) => record(state, command, context),
    }
}

fn record(state: &State, command: &RecordInteraction, context: &Context<'_>) -> Result<Vec<Event>, Rejection> {
    if !state.guest.is_registered() {
        return Err(guest::Rejection::NotFound.into());
    }
    let told = match command.occurred_at.as_str() {
        "" => Instant::from(context.received_at),
        given => instant::parse("occurred_at", given)?,
    };
    // What nobody says the time of is by our own clock already.
    let sent_at = sent_at(command)?.filter(|_| !command.occurred_at.is_empty());
    let occurred_at = told.by_our_clock(sent_at, context.received_at);
    let recorded = InteractionRecorded {
        kind: word::dotted("kind", &command.kind, MAX_KIND_BYTES)?,
        topic: text::line("topic", &command.topic, MAX_TOPIC_BYTES)?,
        occurred_at: Some(occurred_at.timestamp()),
        occurred_at_offset_minutes: occurred_at.offset_minutes(),
        properties: json::object("properties", &command.properties)?,
        context: json::object("context", &command.context)?,
        told_at: if told == occurred_at { None } else { Some(told.timestamp()) },
    };
    Ok(vec![Event::InteractionRecorded(recorded)])
}

fn sent_at(command: &RecordInteraction) -> Result<Option<Instant>, Rejection> {
    match command.sent_at.as_str() {
        "" => Ok(None),
        given => Ok(Some(instant::parse("sent_at", given)?)),
    }
}

#[cfg(test)]
mod specs {
    use chrono::TimeDelta;
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
            ..InteractionRecorded::default()
        }))
    }

    /// What happened at `seconds` from now, and was told as another time when that is given.
    fn recorded_at(seconds: i64, told: Option<i64>) -> Event {
        let at = |seconds| prost_types::Timestamp { seconds: NOW.timestamp() + seconds, nanos: 0 };
        Event::Interactions(super::Event::InteractionRecorded(InteractionRecorded {
            kind: "order.created".to_owned(),
            topic: "Music".to_owned(),
            occurred_at: Some(at(seconds)),
            told_at: told.map(at),
            ..InteractionRecorded::default()
        }))
    }

    fn from_now(seconds: i64) -> String {
        (NOW + TimeDelta::seconds(seconds)).to_rfc3339()
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
    fn a_clock_that_is_wrong_is_corrected_by_when_it_says_it_sent() {
        let record =
            |occurred: i64, sent: i64| record(|c| (c.occurred_at, c.sent_at) = (from_now(occurred), from_now(sent)));
        given([registered()]).when(record(-3_600, -3_590)).then([recorded_at(-10, Some(-3_600))]);
        given([registered()]).when(record(7_190, 7_200)).then([recorded_at(-10, Some(7_190))]);
        given([registered()]).when(record(-10, 0)).then([recorded_at(-10, None)]);
        // What is a day old was kept somewhere and sent again, whatever the clocks.
        let days = |days: i64| days * 86_400;
        given([registered()]).when(record(-days(400), 5 - days(400))).then([recorded_at(-days(400), None)]);
        given([registered()]).when(self::record(|c| c.sent_at = from_now(3_600))).then([recorded_at(0, None)]);
    }

    #[test]
    fn what_is_said_to_happen_in_the_future_happened_now() {
        let record = |seconds| record(|c| c.occurred_at = from_now(seconds));
        given([registered()]).when(record(300)).then([recorded_at(300, None)]);
        given([registered()]).when(record(301)).then([recorded_at(0, Some(301))]);
    }

    #[test]
    fn where_it_happened_is_kept_as_it_was_said() {
        let context = r#"{"channel":"web","page":"/jazz"}"#;
        let Event::Interactions(super::Event::InteractionRecorded(expected)) = recorded_at(0, None) else {
            unreachable!()
        };
        let expected = InteractionRecorded { context: context.to_owned(), ..expected };
        let expected = Event::Interactions(super::Event::InteractionRecorded(expected));
        given([registered()]).when(record(|c| c.context = context.to_owned())).then([expected]);
        given([registered()]).when(record(|c| c.context = "[]".to_owned())).refused("validation_failed");
        given([registered()]).when(record(|c| c.sent_at = "yesterday".to_owned())).refused("invalid_date");
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
