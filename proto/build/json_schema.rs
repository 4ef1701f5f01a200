//! The JSON Schemas of command bodies and replies, told from the messages and the comments in their `.proto` files.

use prost_reflect::{FieldDescriptor, FileDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use crate::Fault;
use crate::messages::{REPLY_MAY_LACK, json_fields};

/// Who reads the JSON.
#[derive(Clone, Copy, PartialEq)]
enum Reader {
    /// We do: every field may be absent, and no other is let in.
    Us,
    /// A caller does: fields are there, and later ones may join them.
    Caller,
}

/// `name`: facet and command, `guest.register`.
pub(crate) fn of_command(name: &str, message: &MessageDescriptor) -> Result<String, Fault> {
    Ok(document(name, object(message, Reader::Us)?))
}

pub(crate) fn of_reply(message: &MessageDescriptor) -> Result<String, Fault> {
    Ok(document("reply", object(message, Reader::Caller)?))
}

pub(crate) fn id(name: &str) -> String {
    format!("/schemas/{name}.json")
}

/// The members come out sorted, so the same messages give the same text.
fn document(name: &str, mut schema: Value) -> String {
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["$id"] = json!(id(name));
    schema.to_string()
}

fn object(message: &MessageDescriptor, reader: Reader) -> Result<Value, Fault> {
    let property = |field: FieldDescriptor| Ok((field.name().to_owned(), property(&field, reader)?));
    let properties = message.fields().map(property).collect::<Result<Map<_, _>, Fault>>()?;
    let mut schema = json!({ "title": message.name(), "type": "object", "properties": properties });
    match reader {
        Reader::Us => schema["additionalProperties"] = json!(false),
        Reader::Caller => schema["required"] = always_there(message),
    }
    describe(&mut schema, &message.parent_file(), message.path());
    Ok(schema)
}

fn always_there(message: &MessageDescriptor) -> Value {
    let fields = message.fields().filter(|field| field.full_name() != REPLY_MAY_LACK);
    fields.map(|field| field.name().to_owned()).collect()
}

fn property(field: &FieldDescriptor, reader: Reader) -> Result<Value, Fault> {
    let holds_object = reader == Reader::Us && json_fields(field.parent_message()).any(|json| json == field.name());
    let mut schema = if holds_object { json!({ "type": "object" }) } else { shape(field, reader)? };
    if field.supports_presence() {
        schema["type"] = json!([schema["type"], "null"]);
    }
    describe(&mut schema, &field.parent_file(), field.path());
    Ok(schema)
}

fn shape(field: &FieldDescriptor, reader: Reader) -> Result<Value, Fault> {
    let kind = field.kind();
    match kind.as_message() {
        _ if field.containing_oneof().is_some_and(|oneof| !oneof.is_synthetic()) => Err(unknown(field, "a oneof")),
        Some(entry) if field.is_map() => map(entry, reader),
        _ if field.is_list() => Ok(json!({ "type": "array", "items": value(field, reader)? })),
        _ => value(field, reader),
    }
}

fn map(entry: &MessageDescriptor, reader: Reader) -> Result<Value, Fault> {
    let key = entry.map_entry_key_field();
    if key.kind() != Kind::String {
        return Err(unknown(&key, "a key that is no string"));
    }
    let members = value(&entry.map_entry_value_field(), reader)?;
    Ok(json!({ "type": "object", "additionalProperties": members }))
}

/// As serde reads and writes the Rust type prost makes of the field.
fn value(field: &FieldDescriptor, reader: Reader) -> Result<Value, Fault> {
    Ok(match field.kind() {
        Kind::String => json!({ "type": "string" }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Double | Kind::Float => json!({ "type": "number" }),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => integer(i32::MIN, i32::MAX),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => integer(i64::MIN, i64::MAX),
        Kind::Uint32 | Kind::Fixed32 => integer(u32::MIN, u32::MAX),
        Kind::Uint64 | Kind::Fixed64 => integer(u64::MIN, u64::MAX),
        Kind::Message(message) if reader == Reader::Caller => object(&message, reader)?,
        // serde is derived for the command alone.
        Kind::Message(_) => return Err(unknown(field, "a message inside a command")),
        Kind::Bytes => return Err(unknown(field, "bytes")),
        Kind::Enum(_) => return Err(unknown(field, "an enum")),
    })
}

fn integer(minimum: impl Into<Value>, maximum: impl Into<Value>) -> Value {
    json!({ "type": "integer", "minimum": minimum.into(), "maximum": maximum.into() })
}

fn unknown(field: &FieldDescriptor, what: &str) -> Fault {
    format!("{}: build/json_schema.rs does not know how JSON spells {what}", field.full_name()).into()
}

fn describe(schema: &mut Value, file: &FileDescriptor, path: &[i32]) {
    if let Some(comment) = comment(file, path) {
        schema["description"] = json!(comment);
    }
}

/// The comment above a message or field, on one line.
fn comment(file: &FileDescriptor, path: &[i32]) -> Option<String> {
    let source = file.file_descriptor_proto().source_code_info.as_ref()?;
    let comment = source.location.iter().find(|location| location.path == path)?.leading_comments.as_ref()?;
    Some(comment.split_whitespace().collect::<Vec<_>>().join(" "))
}
