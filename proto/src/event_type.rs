//! What a stored event is called, and how each of its fields is classed.

use crate::DataClass;

/// One event type, as its `.proto` defines it.
#[derive(Debug)]
pub struct EventType {
    /// The facet that decides it: `interactions`.
    pub facet: &'static str,
    /// `InteractionRecorded`
    pub name: &'static str,
    pub schema_version: u32,
    /// `(field number, name, class)` of every field, by number.
    pub(crate) fields: &'static [(u32, &'static str, i32)],
}

impl EventType {
    /// The type of that name; `None` when this binary does not know it.
    pub fn named(name: &str) -> Option<&'static Self> {
        crate::EVENT_TYPES.iter().find(|event_type| event_type.name == name)
    }

    /// The class of a field; `None` when the schema this binary was built from has no such field.
    pub fn class_of(&self, field_number: u32) -> Option<DataClass> {
        let (.., class) = self.fields.iter().find(|(number, ..)| *number == field_number)?;
        DataClass::try_from(*class).ok().filter(|class| *class != DataClass::Unspecified)
    }

    /// The names of the fields of these classes, in the order of their numbers.
    pub fn fields_of(&self, classes: &[DataClass]) -> Vec<&'static str> {
        let is_of = |class: i32| classes.iter().any(|wanted| i32::from(*wanted) == class);
        self.fields.iter().filter(|(.., class)| is_of(*class)).map(|(_, name, _)| *name).collect()
    }
}

#[cfg(test)]
mod tests {
    use prost_reflect::{DescriptorPool, FieldDescriptor};

    fn option(field: &FieldDescriptor, name: &str) -> Option<prost_reflect::Value> {
        let extension = field.parent_pool().get_extension_by_name(name).expect("defined in data_class.proto");
        field.options().has_extension(&extension).then(|| field.options().get_extension(&extension).into_owned())
    }

    fn event_fields() -> Vec<FieldDescriptor> {
        let pool = DescriptorPool::decode(crate::DESCRIPTORS).expect("the build wrote it");
        let events = pool.all_messages().filter(|message| message.name() == "Event");
        let kinds = events.flat_map(|event| event.fields().collect::<Vec<_>>());
        kinds
            .flat_map(|kind| kind.kind().as_message().expect("an event is a message").fields().collect::<Vec<_>>())
            .collect()
    }

    #[test]
    fn every_field_of_every_event_has_a_class() {
        let fields = event_fields();
        assert!(!fields.is_empty());
        for field in fields {
            let class = option(&field, "keepsake.class").and_then(|class| class.as_enum_number());
            assert!(class.is_some_and(|class| class > 0), "{} has no data class", field.full_name());
        }
    }

    #[test]
    fn fields_are_named_by_their_classes() {
        use crate::DataClass::{Behaviour, Contact, FreeText};
        let recorded = super::EventType::named("InteractionRecorded").expect("known");
        assert_eq!(recorded.fields_of(&[Behaviour]), ["kind", "topic"]);
        assert_eq!(recorded.fields_of(&[FreeText, Behaviour]), ["kind", "topic", "properties", "context"]);
        assert!(recorded.fields_of(&[Contact]).is_empty());
    }

    #[test]
    fn every_open_field_states_its_reason() {
        for field in event_fields() {
            let open = option(&field, "keepsake.class").and_then(|class| class.as_enum_number()) == Some(1);
            let reason = option(&field, "keepsake.open_because");
            let reason = reason.as_ref().and_then(prost_reflect::Value::as_str).unwrap_or_default();
            assert_eq!(open, !reason.is_empty(), "{}: open fields, and only they, say why", field.full_name());
        }
    }
}
