//! The `enum` over the commands of all facets, its tables and its matches.

use crate::facets::{Facet, Variant};
use crate::messages::json_fields;
use crate::{Fault, joined, json_schema};

pub(crate) fn generate(facets: &[Facet]) -> Result<String, Fault> {
    let arms = |arm: fn(&Facet, &Variant) -> String| -> String {
        facets.iter().flat_map(|f| f.commands.iter().map(move |v| arm(f, v))).collect()
    };
    let members = joined(facets.iter().map(|f| format!("{}({}::command::Kind),\n", f.variant, f.name)));
    let names = arms(|f, v| format!("({:?}, {:?}, {:?}),\n", f.name, v.name, v.message.name()));
    let schemas = schemas(facets)?;
    let json = arms(json);
    let protobuf = arms(protobuf);
    let name = arms(name);
    let encode = arms(|f, v| format!("{} => prost::Message::encode_to_vec(body),\n", wrap(f, v)));
    Ok(format!(
        r"
/// Every command of every facet.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {{ {members} }}

impl Command {{
    /// `(facet, command, message)` of every command there is.
    pub const NAMES: &[(&str, &str, &str)] = &[ {names} ];

    /// `(facet, command, JSON Schema)` of every command's JSON body, in the order of `NAMES`.
    pub const SCHEMAS: &[(&str, &str, &str)] = &[ {schemas} ];

    /// Decodes the JSON body of the named command; `None` when there is no such command.
    pub fn from_json(facet: &str, command: &str, body: &[u8]) -> Option<Result<Self, crate::JsonFault>> {{
        match (facet, command) {{ {json} _ => None }}
    }}

    /// Decodes the protobuf body of the named command; `None` when there is no such command.
    pub fn from_protobuf(facet: &str, command: &str, body: &[u8]) -> Option<Result<Self, crate::ProtobufFault>> {{
        match (facet, command) {{ {protobuf} _ => None }}
    }}

    /// `(facet, command)` as subjects spell them.
    pub fn name(&self) -> (&'static str, &'static str) {{
        match self {{ {name} }}
    }}

    /// The protobuf encoding of the command's own message.
    pub fn encode(&self) -> Vec<u8> {{
        match self {{ {encode} }}
    }}
}}
"
    ))
}

fn wrap(f: &Facet, v: &Variant) -> String {
    format!("Self::{}({}::command::Kind::{}(body))", f.variant, f.name, v.ident)
}

fn schemas(facets: &[Facet]) -> Result<String, Fault> {
    let entry = |f: &Facet, v: &Variant| {
        let schema = json_schema::of_command(&format!("{}.{}", f.name, v.name), &v.message)?;
        Ok(format!("({:?}, {:?}, {schema:?}),\n", f.name, v.name))
    };
    facets.iter().flat_map(|f| f.commands.iter().map(move |v| entry(f, v))).collect()
}

fn json(f: &Facet, v: &Variant) -> String {
    format!("({:?}, {:?}) => Some(crate::from_json(body).map(|body| {})),\n", f.name, v.name, wrap(f, v))
}

fn protobuf(f: &Facet, v: &Variant) -> String {
    let accept = joined(
        json_fields(&v.message).map(|field| format!("body.{field} = crate::json_object({field:?}, &body.{field})?;")),
    );
    let message = format!("{}::{}", f.name, v.message.name());
    let decode = format!("let mut body: {message} = prost::Message::decode(body)?; {accept} Ok({})", wrap(f, v));
    format!("({:?}, {:?}) => Some((|| {{ {decode} }})()),\n", f.name, v.name)
}

fn name(f: &Facet, v: &Variant) -> String {
    format!("Self::{}({}::command::Kind::{}(_)) => ({:?}, {:?}),\n", f.variant, f.name, v.ident, f.name, v.name)
}
