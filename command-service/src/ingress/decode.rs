//! From the bytes of a request to a command, with a precise answer where they are none.

use proto::{Command, JsonFault, ProtobufFault, strict_json};
use runtime::body::{self, MAX_BODY_BYTES};
use runtime::clock;
use runtime::problem::Problem;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

const MAX_ID_BYTES: usize = 255;

/// How a command's body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Json,
    Protobuf,
}

/// The named command of this body.
pub(crate) fn command(facet: &str, name: &str, encoding: Encoding, body: &[u8]) -> Result<Command, Problem> {
    if body.len() > MAX_BODY_BYTES {
        return Err(body::too_large());
    }
    let unknown = || Problem::not_found("unknown_command", "there is no such command");
    match encoding {
        Encoding::Json => {
            strict_json::check(body)?;
            require_object(body)?;
            Command::from_json(facet, name, body).ok_or_else(unknown)?.map_err(|fault| json_problem(&fault))
        }
        Encoding::Protobuf => {
            Command::from_protobuf(facet, name, body).ok_or_else(unknown)?.map_err(|fault| protobuf_problem(&fault))
        }
    }
}

/// A body of one of the HTTP endpoints, already known to be well-formed JSON.
pub(crate) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    require_object(body)?;
    let decoded = serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_slice(body));
    decoded.map_err(|fault| json_problem(&fault))
}

/// The text of a member that must be a JSON object; empty when it is absent.
pub(crate) fn object(field: &'static str, member: Option<&RawValue>) -> Result<String, Problem> {
    let Some(member) = member else { return Ok(String::new()) };
    let read = proto::json_object(field, member.get());
    read.map_err(|_| Problem::unprocessable("validation_failed", "must be a JSON object").at(format!("#/{field}")))
}

/// Decoders take `[]` for an object without members; callers who send it mean something else.
fn require_object(body: &[u8]) -> Result<(), Problem> {
    if body.trim_ascii_start().first() == Some(&b'{') {
        return Ok(());
    }
    Err(Problem::unprocessable("validation_failed", "the body must be a JSON object").at("#"))
}

fn json_problem(fault: &JsonFault) -> Problem {
    let said = fault.inner().to_string();
    // serde tells kinds of fault apart only in words; the position behind them is of no use to a caller.
    let detail = said.split(" at line ").next().unwrap_or_default().to_owned();
    let code = if said.starts_with("unknown field") { "unknown_field" } else { "validation_failed" };
    Problem::unprocessable(code, without_values(&detail)).at(pointer(fault))
}

/// serde quotes the value it did not like: it may be personal data, and an answer echoes none.
fn without_values(detail: &str) -> String {
    // Names of fields stand between back-ticks too, but only those are ours to repeat.
    let quotes = if detail.starts_with("unknown field") { &['"'][..] } else { &['"', '`'] };
    match (detail.find(quotes), detail.rfind(quotes)) {
        (Some(first), Some(last)) if first < last => format!("{}..{}", &detail[..first], &detail[last + 1..]),
        _ => detail.to_owned(),
    }
}

fn pointer(fault: &JsonFault) -> String {
    let path = fault.path().to_string();
    if path == "." { "#".to_owned() } else { format!("#/{}", path.replace('.', "/")) }
}

fn protobuf_problem(fault: &ProtobufFault) -> Problem {
    match fault {
        ProtobufFault::Decode(_) => {
            Problem::bad_request("malformed_command", "the body is not the command's protobuf message")
        }
        ProtobufFault::Json { field, refused } => Problem::from(refused.clone()).at(format!("#/{field}")),
    }
}

/// An id for a command whose caller gave none.
pub(crate) fn new_command_id() -> String {
    format!("cmd_{}", clock::ordered_id().simple())
}

/// The caller's command id.
pub(crate) fn command_id(given: &[u8]) -> Result<String, Problem> {
    let printable = given.iter().all(u8::is_ascii_graphic);
    match std::str::from_utf8(given) {
        Ok(id) if printable && !id.is_empty() && id.len() <= MAX_ID_BYTES => Ok(id.to_owned()),
        _ => {
            let detail = format!("a command id is 1 to {MAX_ID_BYTES} printable ASCII characters without spaces");
            Err(Problem::bad_request("idempotency_key_invalid", detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> (&'static str, String) {
        let problem = command("interactions", "record", Encoding::Json, body.as_bytes()).expect_err("refused");
        (problem.code(), String::from_utf8(problem.to_json()).expect("JSON"))
    }

    #[test]
    fn a_field_nobody_knows_is_named() {
        let (code, problem) = refused(r#"{"kind":"a","is_admin":true}"#);
        assert_eq!(code, "unknown_field");
        assert!(problem.contains("is_admin"), "{problem}");
    }

    #[test]
    fn a_wrong_type_is_pointed_at_and_not_echoed() {
        let (code, problem) = refused(r#"{"kind":"a","properties":"canary"}"#);
        assert_eq!(code, "validation_failed");
        assert!(problem.contains("#/properties") && !problem.contains("canary"), "{problem}");
        let (_, problem) = refused(r#"{"kind":4917012345678}"#);
        assert!(problem.contains("#/kind") && !problem.contains("4917012345678"), "{problem}");
        let (code, problem) = refused(r#"{"kind":{"a":"canary"}}"#);
        assert_eq!(code, "validation_failed");
        assert!(problem.contains("#/kind") && !problem.contains("canary"), "{problem}");
    }

    #[test]
    fn what_is_no_object_is_no_command() {
        for body in ["[]", "null", "\"x\"", "42"] {
            assert_eq!(refused(body).0, "validation_failed", "{body}");
        }
        assert_eq!(refused("{").0, "malformed_json");
    }

    #[test]
    fn both_encodings_make_the_same_command() {
        let json = command(
            "interactions",
            "record",
            Encoding::Json,
            br#"{"guest_id":"1","kind":"a","properties":{ "v": 77.00 }}"#,
        );
        let json = json.expect("valid");
        let protobuf = command("interactions", "record", Encoding::Protobuf, &json.encode()).expect("valid");
        assert_eq!(json, protobuf);
    }

    #[test]
    fn a_protobuf_field_of_json_is_held_to_the_same_rules() {
        use prost::Message as _;
        let record =
            proto::interactions::RecordInteraction { properties: r#"{"a":1,"a":2}"#.to_owned(), ..Default::default() };
        let refused = command("interactions", "record", Encoding::Protobuf, &record.encode_to_vec());
        assert_eq!(refused.expect_err("refused").code(), "duplicate_key");
    }

    #[test]
    fn ids_are_printable_and_bounded() {
        assert!(command_id(b"order-1").is_ok() && command_id(new_command_id().as_bytes()).is_ok());
        for id in [&b""[..], b"a b", &[b'x'; 256], "ä".as_bytes()] {
            assert!(command_id(id).is_err());
        }
    }
}
