//! The AsyncAPI 3 document: every subject this service listens on or tells verdicts on, generated from the messages.

use std::net::SocketAddr;

use proto::{Command, REPLY_SCHEMA};
use runtime::openapi::problem_schema;
use serde_json::{Map, Value, json};

const ABOUT: &str = "Commands about guests. A request is answered when the command is carried out and durable; a publish \
    without reply subject is carried out all the same, and its outcome told on its verdict's subject; what is published to a \
    durable subject through JetStream is kept until it is carried out. The header Keepsake-Command-Id makes a retry the same \
    command, for ever.";
const TENANT: &str = "The tenant, provisioned before: 1 to 64 characters of A-Z, a-z, 0-9, _ and -.";
const COMMAND_ID: &str =
    "The command's id; each byte that is none of A-Z, a-z, 0-9, _ and - as = and two hexadecimal digits.";
const SEPARATORS: [char; 2] = ['.', '_'];

/// Where what describes the commands can be read.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    /// `http://host:port`, or nothing where only the reader knows that.
    base: String,
}

impl Links {
    /// `public_url` is where others reach the service that listens on `address`.
    pub(crate) fn new(public_url: Option<String>, address: SocketAddr) -> Self {
        let bound = || if address.ip().is_unspecified() { String::new() } else { format!("http://{address}") };
        Self { base: public_url.unwrap_or_else(bound) }
    }

    pub(crate) fn asyncapi(&self) -> String {
        format!("{}/asyncapi.json", self.base)
    }

    pub(crate) fn schema(&self, facet: &str, command: &str) -> String {
        format!("{}/schemas/{facet}.{command}.json", self.base)
    }

    pub(crate) fn reply_schema(&self) -> String {
        format!("{}/schemas/reply.json", self.base)
    }
}

pub(crate) fn document() -> Value {
    let (mut channels, mut operations, mut messages) = (Map::new(), Map::new(), Map::new());
    for (&(facet, command, message), (_, _, schema)) in Command::NAMES.iter().zip(Command::SCHEMAS) {
        let asked = camel(&format!("{facet}_{command}"));
        let queued = format!("{asked}Durably");
        messages.insert(message.to_owned(), self::message(message, schema, &headers()));
        channels.insert(asked.clone(), channel(&format!("cmd.{{tenant}}.{facet}.{command}"), message));
        channels.insert(queued.clone(), channel(&format!("cmdq.{{tenant}}.{facet}.{command}"), message));
        operations.insert(asked.clone(), receive(&asked, message, true));
        operations.insert(queued.clone(), receive(&queued, message, false));
    }
    messages.insert("Reply".to_owned(), message("Reply", REPLY_SCHEMA, &json!({"type": "object"})));
    messages.insert("Problem".to_owned(), problem());
    messages.insert("Verdict".to_owned(), verdict());
    channels.insert("reply".to_owned(), reply_channel());
    channels.insert("verdict".to_owned(), verdict_channel());
    operations.insert("tellVerdict".to_owned(), json!({
        "action": "send",
        "summary": "How a command ended whose sender did not wait. Also in the key-value bucket `verdict`, for 7 days.",
        "channel": {"$ref": "#/channels/verdict"},
    }));
    json!({
        "asyncapi": "3.0.0",
        "info": {"title": "Keepsake commands", "version": env!("CARGO_PKG_VERSION"), "description": ABOUT},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    })
}

fn camel(snake: &str) -> String {
    let mut words = snake.split(SEPARATORS);
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let (head, tail) = word.split_at(word.len().min(1));
        name + &head.to_ascii_uppercase() + tail
    })
}

fn channel(address: &str, message: &str) -> Value {
    json!({
        "address": address,
        "parameters": {"tenant": {"description": TENANT}},
        "messages": {message: {"$ref": format!("#/components/messages/{message}")}},
    })
}

fn receive(channel: &str, message: &str, answered: bool) -> Value {
    let mut operation = json!({
        "action": "receive",
        "channel": {"$ref": format!("#/channels/{channel}")},
        "messages": [{"$ref": format!("#/channels/{channel}/messages/{message}")}],
    });
    if answered {
        operation["reply"] = json!({"channel": {"$ref": "#/channels/reply"}});
    }
    operation
}

fn reply_channel() -> Value {
    json!({
        "address": null,
        "description": "The reply subject of a request, which must be an inbox. Refusals carry Nats-Service-Error-Code.",
        "messages": {
            "Reply": {"$ref": "#/components/messages/Reply"},
            "Problem": {"$ref": "#/components/messages/Problem"},
        },
    })
}

fn verdict_channel() -> Value {
    json!({
        "address": "verdict.{tenant}.{command_id}",
        "parameters": {"tenant": {"description": TENANT}, "command_id": {"description": COMMAND_ID}},
        "messages": {"Verdict": {"$ref": "#/components/messages/Verdict"}},
    })
}

/// What only a document by itself says of itself is left out.
pub(crate) fn schema_of(schema: &str) -> Value {
    let mut schema: Value = serde_json::from_str(schema).unwrap_or_default();
    if let Value::Object(members) = &mut schema {
        members.remove("$schema");
        members.remove("$id");
    }
    schema
}

fn message(name: &str, schema: &str, headers: &Value) -> Value {
    json!({"name": name, "contentType": "application/json", "headers": headers, "payload": schema_of(schema)})
}

fn headers() -> Value {
    json!({"type": "object", "properties": {
        "Keepsake-Command-Id": {
            "type": "string", "maxLength": 255, "pattern": "^[!-~]+$",
            "description": "Makes a retry the same command; made and returned when absent.",
        },
        "Content-Type": {
            "type": "string", "enum": ["application/json", "application/protobuf"], "default": "application/json",
        },
        "Keepsake-Timeout-Ms": {
            "type": "string", "pattern": "^[0-9]+$",
            "description": "A request that was not begun so many milliseconds after it came is not begun any more.",
        },
        "traceparent": {
            "type": "string", "pattern": "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
            "description": "W3C Trace Context: the step of a trace that the command continues.",
        },
    }})
}

fn problem() -> Value {
    json!({"name": "Problem", "contentType": "application/problem+json", "payload": problem_schema()})
}

fn verdict() -> Value {
    let schema = verdict_schema(&schema_of(REPLY_SCHEMA), &problem_schema());
    json!({"name": "Verdict", "contentType": "application/json", "payload": schema})
}

/// What is known of a command: one of three, of which two hold what is described elsewhere.
pub(crate) fn verdict_schema(reply: &Value, problem: &Value) -> Value {
    let one = |status: &str, (member, schema): (&str, Value)| {
        let properties = json!({"id": {"type": "string"}, "status": {"const": status}, member: schema});
        json!({"type": "object", "required": ["id", "status", member], "properties": properties})
    };
    json!({"oneOf": [
        one("pending", ("since", json!({"type": "string", "format": "date-time"}))),
        one("accepted", ("reply", reply.clone())),
        one("refused", ("problem", problem.clone())),
    ]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_its_two_channels_and_every_reference_leads_somewhere() {
        let document = document();
        assert_eq!(document["channels"]["guestRegister"]["address"], "cmd.{tenant}.guest.register");
        assert_eq!(document["channels"]["guestRegisterDurably"]["address"], "cmdq.{tenant}.guest.register");
        assert_eq!(document["channels"].as_object().map(Map::len), Some(2 * Command::NAMES.len() + 2));
        let mut references = Vec::new();
        collect(&document, &mut references);
        for reference in references {
            let pointer = reference.strip_prefix('#').expect("inside the document");
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    /// So that a change of what callers see is seen in review.
    #[test]
    fn the_document_is_the_one_in_the_docs() {
        const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/asyncapi.json");
        let document = serde_json::to_string_pretty(&document()).expect("JSON") + "\n";
        if std::env::var_os("KEEPSAKE_BLESS").is_some() {
            std::fs::write(FILE, &document).expect("writes");
        }
        let written = std::fs::read_to_string(FILE).expect("docs/asyncapi.json");
        assert!(written == document, "docs/asyncapi.json is another: `make samples` writes it anew");
    }

    fn collect<'a>(value: &'a Value, references: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                references.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|member| collect(member, references));
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}
