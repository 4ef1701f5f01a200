//! The `enum` over the events of all facets, its tables and its matches.

use prost_reflect::{DynamicMessage, MessageDescriptor, ReflectMessage as _, Value};

use crate::facets::{Facet, Variant};
use crate::joined;

pub(crate) fn generate(facets: &[Facet]) -> String {
    let arms = |arm: fn(usize, &Facet, &Variant) -> String| -> String {
        let events = facets.iter().flat_map(|f| f.events.iter().map(move |v| (f, v)));
        events.enumerate().map(|(index, (f, v))| arm(index, f, v)).collect()
    };
    let members = joined(facets.iter().map(|f| format!("{}({}::event::Kind),\n", f.variant, f.name)));
    let types = arms(|_, f, v| event_type(f, v));
    let kind =
        arms(|i, f, v| format!("Self::{}({}::event::Kind::{}(_)) => &EVENT_TYPES[{i}],\n", f.variant, f.name, v.ident));
    let encode = arms(|_, f, v| format!("{} => prost::Message::encode_to_vec(body),\n", wrap(f, v)));
    let decode = arms(|_, f, v| {
        format!("{:?} => Some(prost::Message::decode(body).map(|body| {})),\n", v.message.name(), wrap(f, v))
    });
    format!(
        r"
/// Every event type there is.
pub static EVENT_TYPES: &[EventType] = &[ {types} ];

/// Every event of every facet.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {{ {members} }}

impl Event {{
    /// What the stored event is called, and how its fields are classed.
    pub fn event_type(&self) -> &'static EventType {{
        match self {{ {kind} }}
    }}

    /// The protobuf encoding of the event's own message.
    pub fn encode(&self) -> Vec<u8> {{
        match self {{ {encode} }}
    }}

    /// Decodes an event in its newest version by the name of its type; `None` when this binary does not know the type.
    pub(crate) fn decode(type_name: &str, body: &[u8]) -> Option<Result<Self, prost::DecodeError>> {{
        match type_name {{ {decode} _ => None }}
    }}
}}
"
    )
}

fn wrap(f: &Facet, v: &Variant) -> String {
    format!("Self::{}({}::event::Kind::{}(body))", f.variant, f.name, v.ident)
}

fn event_type(f: &Facet, v: &Variant) -> String {
    let (facet, name) = (&f.name, v.message.name());
    let (version, fields) = (schema_version(&v.message), fields(&v.message));
    format!("EventType {{ facet: {facet:?}, name: {name:?}, schema_version: {version}, fields: &[{fields}] }},\n")
}

fn schema_version(message: &MessageDescriptor) -> u32 {
    option(&message.options(), "keepsake.schema_version").and_then(|v| v.as_u32()).filter(|v| *v > 0).unwrap_or(1)
}

/// `(field number, name, data class)` of every field; a field without a class keeps 0, which a test refuses.
fn fields(message: &MessageDescriptor) -> String {
    let class = |options| option(&options, "keepsake.class").and_then(|v| v.as_enum_number()).unwrap_or(0);
    joined(
        message.fields().map(|field| format!("({}, {:?}, {}),", field.number(), field.name(), class(field.options()))),
    )
}

fn option(options: &DynamicMessage, name: &str) -> Option<Value> {
    let extension = options.descriptor().parent_pool().get_extension_by_name(name)?;
    options.has_extension(&extension).then(|| options.get_extension(&extension).into_owned())
}
