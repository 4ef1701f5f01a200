//! Compiles every `.proto` here and generates what lets the rest of the system treat all facets alike.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs};

use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, OneofDescriptor, ReflectMessage as _, Value};

type Fault = Box<dyn std::error::Error>;

fn main() -> Result<(), Fault> {
    println!("cargo:rerun-if-changed=.");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut files: Vec<PathBuf> = fs::read_dir(".")?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "proto"))
        .collect();
    files.sort();

    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true).open_files(&files)?;
    let descriptors = compiler.encode_file_descriptor_set();
    fs::write(out.join("descriptors.bin"), &descriptors)?;
    let pool = DescriptorPool::decode(descriptors.as_slice())?;

    let facets = facets(&pool);
    let mut prost = prost_build::Config::new();
    prost.btree_map(["."]);
    prost.include_file("messages.rs");
    for command in facets.iter().flat_map(|facet| variants(&facet.commands)) {
        let message = format!(".{}", command.message.full_name());
        prost.message_attribute(
            &message,
            "#[derive(serde::Serialize, serde::Deserialize)]\n#[serde(default, deny_unknown_fields)]",
        );
        for field in json_fields(&command.message) {
            prost.field_attribute(format!("{message}.{field}"), "#[serde(with = \"crate::json_text\")]");
        }
    }
    for message in [".keepsake.reply.Reply", ".keepsake.reply.EventId"] {
        prost.message_attribute(message, "#[derive(serde::Serialize, serde::Deserialize)]");
    }
    let no_guest = r#"#[serde(default, skip_serializing_if = "String::is_empty")]"#;
    prost.field_attribute(".keepsake.reply.Reply.guest_id", no_guest);
    prost.compile_fds(prost_types_set(&descriptors)?)?;
    fs::write(out.join("facets.rs"), generate(&facets)?)?;
    Ok(())
}

/// Fields of commands that carry a JSON object as its text.
const JSON_FIELDS: [&str; 2] = ["attributes", "properties"];

fn json_fields(message: &MessageDescriptor) -> impl Iterator<Item = &'static str> {
    JSON_FIELDS.into_iter().filter(|field| message.get_field_by_name(field).is_some())
}

fn prost_types_set(descriptors: &[u8]) -> Result<prost_reflect::prost_types::FileDescriptorSet, Fault> {
    Ok(prost_reflect::prost_types::FileDescriptorSet::decode(descriptors)?)
}

/// One `.proto` with a `Command` and an `Event`.
struct Facet {
    /// `guest`
    name: String,
    /// `Guest`
    variant: String,
    commands: OneofDescriptor,
    events: OneofDescriptor,
}

/// One command or event of a facet.
struct Variant {
    /// The field's name, which is the command's name in subjects.
    name: String,
    /// The oneof variant prost generates.
    ident: String,
    message: MessageDescriptor,
}

fn facets(pool: &DescriptorPool) -> Vec<Facet> {
    let oneof =
        |package: &str, message: &str| pool.get_message_by_name(&format!("{package}.{message}"))?.oneofs().next();
    pool.files()
        .filter_map(|file| {
            let name = file.package_name().strip_prefix("keepsake.")?.to_owned();
            let commands = oneof(file.package_name(), "Command")?;
            let events = oneof(file.package_name(), "Event")?;
            Some(Facet { variant: camel(&name), name, commands, events })
        })
        .collect()
}

fn variants(oneof: &OneofDescriptor) -> Vec<Variant> {
    oneof
        .fields()
        .filter_map(|field| {
            let message = field.kind().as_message()?.clone();
            Some(Variant { name: field.name().to_owned(), ident: camel(field.name()), message })
        })
        .collect()
}

fn camel(snake: &str) -> String {
    snake
        .split('_')
        .flat_map(|word| word.chars().take(1).flat_map(char::to_uppercase).chain(word.chars().skip(1)))
        .collect()
}

/// The `enum`s over all facets, their tables and their matches.
fn generate(facets: &[Facet]) -> Result<String, Fault> {
    let commands: Vec<_> =
        facets.iter().flat_map(|facet| variants(&facet.commands).into_iter().map(move |v| (facet, v))).collect();
    let events: Vec<_> =
        facets.iter().flat_map(|facet| variants(&facet.events).into_iter().map(move |v| (facet, v))).collect();
    let mut code = String::new();
    generate_commands(&mut code, facets, &commands)?;
    generate_events(&mut code, facets, &events)?;
    Ok(code)
}

fn generate_commands(code: &mut String, facets: &[Facet], commands: &[(&Facet, Variant)]) -> Result<(), Fault> {
    let arms =
        |arm: &dyn Fn(&Facet, &Variant) -> String| -> String { commands.iter().map(|(f, v)| arm(f, v)).collect() };
    let members: String = joined(facets.iter().map(|f| format!("{}({}::command::Kind),\n", f.variant, f.name)));
    let names = arms(&|f, v| format!("({:?}, {:?}, {:?}),\n", f.name, v.name, v.message.name()));
    let wrap = |f: &Facet, v: &Variant| format!("Self::{}({}::command::Kind::{}(body))", f.variant, f.name, v.ident);
    let json = arms(&|f, v| {
        format!("({:?}, {:?}) => Some(crate::from_json(body).map(|body| {})),\n", f.name, v.name, wrap(f, v))
    });
    let protobuf = arms(&|f, v| {
        let accept = joined(
            json_fields(&v.message)
                .map(|field| format!("body.{field} = crate::json_object({field:?}, &body.{field})?;")),
        );
        let decode = format!(
            "let mut body: {}::{} = prost::Message::decode(body)?; {accept} Ok({})",
            f.name,
            v.message.name(),
            wrap(f, v)
        );
        format!("({:?}, {:?}) => Some((|| {{ {decode} }})()),\n", f.name, v.name)
    });
    let name = arms(&|f, v| {
        format!("Self::{}({}::command::Kind::{}(_)) => ({:?}, {:?}),\n", f.variant, f.name, v.ident, f.name, v.name)
    });
    let encode = arms(&|f, v| format!("{} => prost::Message::encode_to_vec(body),\n", wrap(f, v)));
    write!(
        code,
        r"
/// Every command of every facet.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {{ {members} }}

impl Command {{
    /// `(facet, command, message)` of every command there is.
    pub const NAMES: &[(&str, &str, &str)] = &[ {names} ];

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
    )?;
    Ok(())
}

fn generate_events(code: &mut String, facets: &[Facet], events: &[(&Facet, Variant)]) -> Result<(), Fault> {
    let arms = |arm: &dyn Fn(usize, &Facet, &Variant) -> String| -> String {
        events.iter().enumerate().map(|(index, (f, v))| arm(index, f, v)).collect()
    };
    let members: String = joined(facets.iter().map(|f| format!("{}({}::event::Kind),\n", f.variant, f.name)));
    let types = arms(&|_, f, v| {
        let (version, classes) = (schema_version(&v.message), classes(&v.message));
        format!(
            "EventType {{ facet: {:?}, name: {:?}, schema_version: {version}, classes: &[{classes}] }},\n",
            f.name,
            v.message.name()
        )
    });
    let wrap = |f: &Facet, v: &Variant| format!("Self::{}({}::event::Kind::{}(body))", f.variant, f.name, v.ident);
    let kind = arms(&|i, f, v| {
        format!("Self::{}({}::event::Kind::{}(_)) => &EVENT_TYPES[{i}],\n", f.variant, f.name, v.ident)
    });
    let encode = arms(&|_, f, v| format!("{} => prost::Message::encode_to_vec(body),\n", wrap(f, v)));
    let decode = arms(&|_, f, v| {
        format!("{:?} => Some(prost::Message::decode(body).map(|body| {})),\n", v.message.name(), wrap(f, v))
    });
    write!(
        code,
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
    )?;
    Ok(())
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().concat()
}

fn schema_version(message: &MessageDescriptor) -> u32 {
    option(&message.options(), "keepsake.schema_version").and_then(|v| v.as_u32()).filter(|v| *v > 0).unwrap_or(1)
}

/// `(field number, data class)` of every field; a field without a class keeps 0, which a test refuses.
fn classes(message: &MessageDescriptor) -> String {
    let class = |options| option(&options, "keepsake.class").and_then(|v| v.as_enum_number()).unwrap_or(0);
    joined(message.fields().map(|field| format!("({}, {}),", field.number(), class(field.options()))))
}

fn option(options: &DynamicMessage, name: &str) -> Option<Value> {
    let extension = options.descriptor().parent_pool().get_extension_by_name(name)?;
    options.has_extension(&extension).then(|| options.get_extension(&extension).into_owned())
}
