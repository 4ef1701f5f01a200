//! NDJSON in the Segment spec: `identify` and `track` lines; `messageId` is the command's id.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::record::{Content, Format, Interaction, Person, Reason, Record};

pub struct Segment;

/// The members of a message that are read; others (context, integrations, ...) are the sender's business.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    r#type: String,
    message_id: Option<String>,
    user_id: Option<String>,
    anonymous_id: Option<String>,
    timestamp: Option<String>,
    event: Option<String>,
    traits: Option<Box<RawValue>>,
    properties: Option<Box<RawValue>>,
}

#[derive(Default, Deserialize)]
struct Topic {
    #[serde(default)]
    topic: String,
}

impl Format for Segment {
    fn read(&mut self, line: &str) -> Result<Option<Record>, Reason> {
        if line.trim().is_empty() {
            return Ok(None);
        }
        let message: Line = serde_json::from_str(line).map_err(|error| format!("not a Segment message: {error}"))?;
        let person = person(&message)?;
        let content = match message.r#type.as_str() {
            "identify" => Content::Person { attributes: message.traits },
            "track" => Content::Interaction(interaction(message.event, message.timestamp, message.properties)?),
            _ => return Err("only identify and track messages are taken".into()),
        };
        Ok(Some(Record { person, content, message_id: message.message_id }))
    }
}

fn person(message: &Line) -> Result<Person, Reason> {
    let known = message.user_id.clone().map(|value| Person { namespace: "user_id", value });
    let anonymous = || message.anonymous_id.clone().map(|value| Person { namespace: "anonymous_id", value });
    known.or_else(anonymous).ok_or_else(|| "neither userId nor anonymousId".into())
}

fn interaction(
    event: Option<String>,
    timestamp: Option<String>,
    properties: Option<Box<RawValue>>,
) -> Result<Interaction, Reason> {
    let properties = match properties {
        Some(properties) => properties,
        None => RawValue::from_string("{}".to_owned()).map_err(|error| error.to_string())?,
    };
    // `topic` is ours: the spec has no such member, so a message without it is about nothing in particular.
    let Topic { topic } = serde_json::from_str(properties.get()).unwrap_or_default();
    Ok(Interaction {
        kind: kind(&event.ok_or("a track message names its event")?),
        topic,
        occurred_at: timestamp.ok_or("a track message has a timestamp")?,
        properties,
    })
}

/// `Order Completed` is the kind `order_completed`; dots separate words already.
fn kind(event: &str) -> String {
    let word = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c.to_ascii_lowercase() } else { '_' };
    event.trim().chars().map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Record, Reason> {
        Segment.read(line).map(|record| record.expect("a record"))
    }

    #[test]
    fn a_track_message_is_an_interaction_under_its_own_id() {
        let line = r#"{"type":"track","messageId":"m1","userId":"u1","event":"Order Completed","timestamp":"2026-03-01T10:00:00Z","properties":{"topic":"music","total":77.00}}"#;
        let record = read(line).expect("valid");
        assert_eq!(record.message_id.as_deref(), Some("m1"));
        let body = serde_json::to_string(&record.interaction().expect("an interaction")).expect("JSON");
        let expected = r#"{"guest_id":"u1","namespace":"user_id","kind":"order_completed","topic":"music","occurred_at":"2026-03-01T10:00:00Z","properties":{"topic":"music","total":77.00}}"#;
        assert_eq!(body, expected);
    }

    #[test]
    fn an_identify_message_is_a_guest_with_its_traits() {
        let record = read(r#"{"type":"identify","anonymousId":"a1","traits":{"plan":"pro"}}"#).expect("valid");
        let body = serde_json::to_string(&record.registration()).expect("JSON");
        assert_eq!(body, r#"{"identifier":"a1","namespace":"anonymous_id","attributes":{"plan":"pro"}}"#);
        assert!(record.interaction().is_none());
    }

    #[test]
    fn what_cannot_be_kept_is_refused_with_a_reason() {
        for line in
            [r#"{"type":"track","userId":"u"}"#, r#"{"type":"page","userId":"u"}"#, r#"{"type":"identify"}"#, "{"]
        {
            assert!(Segment.read(line).is_err(), "{line}");
        }
    }
}
