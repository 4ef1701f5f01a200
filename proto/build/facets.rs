//! Finds the facets, and the commands and events of each.

use prost_reflect::{DescriptorPool, MessageDescriptor, OneofDescriptor};

/// One `.proto` with a `Command` and an `Event`.
pub(crate) struct Facet {
    /// `guest`
    pub(crate) name: String,
    /// `Guest`
    pub(crate) variant: String,
    pub(crate) commands: Vec<Variant>,
    pub(crate) events: Vec<Variant>,
}

/// One command or event of a facet.
pub(crate) struct Variant {
    /// The field's name, which is the command's name in subjects.
    pub(crate) name: String,
    /// The oneof variant prost generates.
    pub(crate) ident: String,
    pub(crate) message: MessageDescriptor,
}

pub(crate) fn facets(pool: &DescriptorPool) -> Vec<Facet> {
    let oneof =
        |package: &str, message: &str| pool.get_message_by_name(&format!("{package}.{message}"))?.oneofs().next();
    pool.files()
        .filter_map(|file| {
            let name = file.package_name().strip_prefix("keepsake.")?.to_owned();
            let commands = variants(&oneof(file.package_name(), "Command")?);
            let events = variants(&oneof(file.package_name(), "Event")?);
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
