//! The Rust of every message, and how commands and replies are read and written as JSON.

use prost::Message as _;
use prost_reflect::MessageDescriptor;
use prost_reflect::prost_types::FileDescriptorSet;

use crate::Fault;
use crate::facets::Facet;

pub(crate) const REPLY: &str = "keepsake.reply.Reply";
/// The one field a reply leaves out when it is empty.
pub(crate) const REPLY_MAY_LACK: &str = "keepsake.reply.Reply.guest_id";
/// Fields of commands that carry a JSON object as its text.
const JSON_FIELDS: [&str; 4] = ["attributes", "context", "increment", "properties"];

pub(crate) fn json_fields(message: &MessageDescriptor) -> impl Iterator<Item = &'static str> {
    JSON_FIELDS.into_iter().filter(|field| message.get_field_by_name(field).is_some())
}

pub(crate) fn generate(descriptors: &[u8], facets: &[Facet]) -> Result<(), Fault> {
    let mut prost = prost_build::Config::new();
    prost.btree_map(["."]);
    prost.include_file("messages.rs");
    for command in facets.iter().flat_map(|facet| &facet.commands) {
        read_as_json(&mut prost, &command.message);
    }
    for message in [REPLY, "keepsake.reply.EventId"] {
        prost.message_attribute(format!(".{message}"), "#[derive(serde::Serialize, serde::Deserialize)]");
    }
    let left_out = r#"#[serde(default, skip_serializing_if = "String::is_empty")]"#;
    prost.field_attribute(format!(".{REPLY_MAY_LACK}"), left_out);
    prost.compile_fds(FileDescriptorSet::decode(descriptors)?)?;
    Ok(())
}

/// `json_schema.rs` tells callers what this does.
fn read_as_json(prost: &mut prost_build::Config, command: &MessageDescriptor) {
    let message = format!(".{}", command.full_name());
    let serde = "#[derive(serde::Serialize, serde::Deserialize)]\n#[serde(default, deny_unknown_fields)]";
    prost.message_attribute(&message, serde);
    for field in json_fields(command) {
        prost.field_attribute(format!("{message}.{field}"), "#[serde(with = \"crate::json_text\")]");
    }
}
