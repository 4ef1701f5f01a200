//! What is in the log stays readable: a sample of every version of every event, and no field number ever means something else.
//!
//! `make samples` writes what is new. It never rewrites what is there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use data_encoding::HEXLOWER;
use keepsake_proto::{DESCRIPTORS, EVENT_TYPES, Event, EventType};
use prost::Message as _;
use prost_reflect::{Cardinality, DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples")
}

fn blessing() -> bool {
    env::var_os("KEEPSAKE_BLESS").is_some()
}

fn pool() -> DescriptorPool {
    DescriptorPool::decode(DESCRIPTORS).expect("the build wrote it")
}

fn message_of(event_type: &EventType) -> MessageDescriptor {
    pool().get_message_by_name(&format!("keepsake.{}.{}", event_type.facet, event_type.name)).expect("an event")
}

/// The first line of a sample is what was stored; the rest is what it means today, in protobuf's text format.
fn read_sample(event_type: &EventType, version: u32) -> Option<(Vec<u8>, String)> {
    let text = fs::read_to_string(samples().join(format!("{}.v{version}.txt", event_type.name))).ok()?;
    let (stored, meaning) = text.split_once('\n').expect("two parts");
    Some((HEXLOWER.decode(stored.as_bytes()).expect("hex"), meaning.trim_end().to_owned()))
}

fn meaning(event_type: &EventType, encoded: &[u8]) -> String {
    let message = DynamicMessage::decode(message_of(event_type), encoded).expect("decodes");
    let options = prost_reflect::text_format::FormatOptions::new().pretty(true);
    message.to_text_format_with_options(&options).trim_end().to_owned()
}

#[test]
fn every_version_of_every_event_has_a_sample_that_still_means_the_same() {
    for event_type in EVENT_TYPES {
        if blessing() && read_sample(event_type, event_type.schema_version).is_none() {
            write_sample(event_type);
        }
        for version in 1..=event_type.schema_version {
            let name = event_type.name;
            let sample = read_sample(event_type, version);
            let (stored, expected) =
                sample.unwrap_or_else(|| panic!("{name} has no sample of version {version}: `make samples` makes one"));
            let event =
                Event::read(name, version, &stored).unwrap_or_else(|fault| panic!("{name} v{version}: {fault}"));
            assert_eq!(
                meaning(event_type, &event.encode()),
                expected,
                "{name} v{version} has come to mean something else"
            );
        }
    }
}

/// A sample of the newest version, with something in every field.
fn write_sample(event_type: &EventType) {
    let stored = filled(&message_of(event_type)).encode_to_vec();
    let text = format!("{}\n{}\n", HEXLOWER.encode(&stored), meaning(event_type, &stored));
    fs::create_dir_all(samples()).expect("a folder");
    fs::write(samples().join(format!("{}.v{}.txt", event_type.name, event_type.schema_version)), text)
        .expect("written");
}

fn filled(message: &MessageDescriptor) -> DynamicMessage {
    let mut filled = DynamicMessage::new(message.clone());
    for field in message.fields() {
        let one = value(&field);
        filled.set_field(&field, if field.is_list() { Value::List(vec![one.clone(), one]) } else { one });
    }
    filled
}

fn value(field: &FieldDescriptor) -> Value {
    let number = field.number();
    match field.kind() {
        Kind::Double | Kind::Float => Value::F64(f64::from(number) + 0.5),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(-i32::try_from(number).expect("small")),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(-i64::from(number)),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(number),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(u64::from(number)),
        Kind::Bool => Value::Bool(true),
        Kind::String => Value::String(format!("{} of a sample", field.name())),
        Kind::Bytes => Value::Bytes(field.name().as_bytes().to_vec().into()),
        Kind::Message(message) => Value::Message(filled(&message)),
        Kind::Enum(_) => Value::EnumNumber(1),
    }
}

/// What a field number stands for: by `message number`, its type, and the data class that says under which key it is sealed.
type Fields = BTreeMap<(String, u32), String>;

fn fields(pool: &DescriptorPool) -> Fields {
    let ours = pool.all_messages().filter(|message| message.full_name().starts_with("keepsake."));
    ours.flat_map(|message| message.fields().collect::<Vec<_>>())
        .map(|field| ((field.parent_message().full_name().to_owned(), field.number()), stands_for(&field)))
        .collect()
}

fn stands_for(field: &FieldDescriptor) -> String {
    let class = field.parent_pool().get_extension_by_name("keepsake.class").expect("defined in data_class.proto");
    let class = field.options().get_extension(&class).as_enum_number().filter(|class| *class > 0);
    let repeated = if field.cardinality() == Cardinality::Repeated { "repeated " } else { "" };
    let class = class.map_or(String::new(), |class| format!(" class {class}"));
    format!("{repeated}{:?} {}{class}", field.kind(), field.name())
}

/// What is wrong with `now`, seen from what was committed `before`. A removed field's number must be reserved.
fn broken(before: &Fields, now: &Fields, is_reserved: impl Fn(&str, u32) -> bool) -> Vec<String> {
    let fault = |((message, number), was): (&(String, u32), &String)| match now.get(&(message.clone(), *number)) {
        Some(is) if is == was => None,
        Some(is) => Some(format!("{message} {number} was `{was}` and is now `{is}`")),
        None if is_reserved(message, *number) => None,
        None => Some(format!("{message} {number}, which was `{was}`, is gone and not reserved")),
    };
    before.iter().filter_map(fault).collect()
}

fn parse(listing: &str) -> Fields {
    let field = |line: &str| {
        let mut parts = line.splitn(3, ' ');
        let (message, number) = (parts.next()?.to_owned(), parts.next()?.parse().ok()?);
        Some(((message, number), parts.next()?.to_owned()))
    };
    listing.lines().map(|line| field(line).unwrap_or_else(|| panic!("no field: {line}"))).collect()
}

#[test]
fn no_field_number_ever_means_something_else() {
    let (path, pool) = (samples().join("fields.txt"), pool());
    let (mut before, now) = (parse(&fs::read_to_string(&path).unwrap_or_default()), fields(&pool));
    let reserved = |message: &str, number: u32| {
        let message = pool.get_message_by_name(message);
        message.is_some_and(|message| message.reserved_ranges().any(|range| range.contains(&number)))
    };
    let broken = broken(&before, &now, reserved);
    assert!(broken.is_empty(), "what is in the log would be read as something else:\n{}", broken.join("\n"));
    if blessing() {
        before.extend(now.clone());
        let line =
            |((message, number), stands_for): (&(String, u32), &String)| format!("{message} {number} {stands_for}\n");
        fs::write(&path, before.iter().map(line).collect::<String>()).expect("written");
    }
    let new: Vec<_> = now.keys().filter(|field| !before.contains_key(*field)).collect();
    assert!(new.is_empty(), "not in proto/samples/fields.txt yet, `make samples` adds them: {new:?}");
}

#[test]
fn a_number_that_is_reused_retyped_reclassed_or_dropped_is_noticed() {
    let before = parse("keepsake.a.Happened 1 String kind class 3\nkeepsake.a.Happened 2 Bool seen class 1");
    let broken_by = |now: &str| broken(&before, &parse(now), |_, number| number == 2);
    assert!(
        broken_by("keepsake.a.Happened 1 String kind class 3\nkeepsake.a.Happened 3 Bool new").is_empty(),
        "2 is reserved"
    );
    for now in [
        "keepsake.a.Happened 1 String topic class 3",
        "keepsake.a.Happened 1 Bytes kind class 3",
        "keepsake.a.Happened 1 String kind class 4",
        "keepsake.a.Happened 2 Bool seen class 1",
    ] {
        assert_eq!(broken_by(now).len(), 1, "{now}");
    }
}
