//! What the generated JSON Schemas say is what the messages hold and what serde reads and writes.

use std::collections::BTreeSet;

use prost_reflect::{DescriptorPool, MessageDescriptor};
use serde_json::{Map, Value, json};

use crate::{Command, DESCRIPTORS, REPLY_SCHEMA, Reply};

fn parsed(schema: &str) -> Value {
    serde_json::from_str(schema).expect("JSON")
}

fn message(name: &str) -> MessageDescriptor {
    let pool = DescriptorPool::decode(DESCRIPTORS).expect("the build wrote it");
    pool.get_message_by_name(&format!("keepsake.{name}")).expect("a message")
}

/// `(facet, command, message, schema)` of every command.
fn commands() -> impl Iterator<Item = (&'static str, &'static str, MessageDescriptor, Value)> {
    assert_eq!(Command::NAMES.len(), Command::SCHEMAS.len());
    Command::NAMES.iter().zip(Command::SCHEMAS).map(|((facet, command, name), (of_facet, of_command, schema))| {
        assert_eq!((facet, command), (of_facet, of_command));
        (*facet, *command, message(&format!("{facet}.{name}")), parsed(schema))
    })
}

fn properties(schema: &Value) -> &Map<String, Value> {
    schema["properties"].as_object().expect("properties")
}

fn assert_names_the_fields_of(message: &MessageDescriptor, schema: &Value) {
    let fields: BTreeSet<_> = message.fields().map(|field| field.name().to_owned()).collect();
    assert_eq!(properties(schema).keys().cloned().collect::<BTreeSet<_>>(), fields, "{}", message.full_name());
    assert_eq!(schema["title"], message.name());
}

/// A value the property allows.
fn sample(property: &Value) -> Value {
    let kind = &property["type"];
    match kind.get(0).unwrap_or(kind).as_str().expect("a type") {
        "string" => json!("a"),
        "boolean" => json!(true),
        "number" => json!(0.5),
        "integer" => property["maximum"].clone(),
        "array" => json!([sample(&property["items"])]),
        "object" => json!({}),
        other => panic!("{other}"),
    }
}

#[test]
fn every_command_has_a_schema_that_names_exactly_its_fields() {
    for (facet, command, message, schema) in commands() {
        assert_eq!(schema["$id"], format!("/schemas/{facet}.{command}.json"));
        assert_eq!(schema["additionalProperties"], false);
        assert_names_the_fields_of(&message, &schema);
    }
}

#[test]
fn every_command_and_each_of_its_fields_is_described() {
    for (facet, command, _, schema) in commands() {
        let described = |part: &Value| part["description"].as_str().is_some_and(|text| !text.is_empty());
        assert!(described(&schema), "{facet}.{command} needs a comment in its .proto");
        for (field, property) in properties(&schema) {
            assert!(described(property), "{facet}.{command} {field} needs a comment in its .proto");
        }
    }
}

#[test]
fn a_body_is_read_when_its_schema_allows_it_and_refused_with_one_member_more() {
    for (facet, command, _, schema) in commands() {
        let read = |body: &Value| Command::from_json(facet, command, body.to_string().as_bytes()).expect("a command");
        let mut body: Value =
            properties(&schema).iter().map(|(field, property)| (field.clone(), sample(property))).collect();
        assert!(read(&body).is_ok(), "{facet}.{command} {body}");
        body["one_more"] = json!(1);
        assert!(read(&body).is_err(), "{facet}.{command} {body}");
        assert!(read(&json!({})).is_ok(), "{facet}.{command} requires nothing");
    }
}

#[test]
fn the_schema_of_a_reply_requires_what_every_reply_holds() {
    let schema = parsed(REPLY_SCHEMA);
    assert_eq!(schema["$id"], "/schemas/reply.json");
    assert_names_the_fields_of(&message("reply.Reply"), &schema);
    assert_names_the_fields_of(&message("reply.EventId"), &schema["properties"]["events"]["items"]);
    let least = serde_json::to_value(Reply::default()).expect("JSON");
    let required: BTreeSet<_> =
        schema["required"].as_array().expect("names").iter().filter_map(Value::as_str).collect();
    assert_eq!(required, least.as_object().expect("an object").keys().map(String::as_str).collect());
    assert!(!required.contains("guest_id"));
}
