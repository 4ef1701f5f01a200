//! One record of an import file, as the commands it turns into.

use serde::Serialize;
use serde_json::value::RawValue;

/// A guest as the file names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Person {
    pub namespace: &'static str,
    pub value: String,
}

/// What one record says.
#[derive(Debug)]
pub struct Record {
    pub person: Person,
    pub content: Content,
    /// The record's own id, when the format has one; else its place in the file is its id.
    pub message_id: Option<String>,
}

#[derive(Debug)]
pub enum Content {
    /// The guest exists, with these attributes.
    Person { attributes: Option<Box<RawValue>> },
    /// The guest did something.
    Interaction(Interaction),
}

#[derive(Debug)]
pub struct Interaction {
    pub kind: String,
    pub topic: String,
    /// RFC 3339 with an offset.
    pub occurred_at: String,
    pub properties: Box<RawValue>,
}

/// Why a line is no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(pub String);

impl<T: Into<String>> From<T> for Reason {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

/// A file format: reads one line; `None` when the line holds no record by design (a header, an empty line).
pub trait Format: Send {
    fn read(&mut self, line: &str) -> Result<Option<Record>, Reason>;
}

/// A command's body.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Body<'a> {
    Register {
        identifier: &'a str,
        namespace: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        attributes: Option<&'a RawValue>,
    },
    Record {
        guest_id: &'a str,
        namespace: &'a str,
        kind: &'a str,
        topic: &'a str,
        occurred_at: &'a str,
        properties: &'a RawValue,
    },
}

impl Record {
    /// The command that makes the guest known.
    pub fn registration(&self) -> Body<'_> {
        let attributes = match &self.content {
            Content::Person { attributes } => attributes.as_deref(),
            Content::Interaction(_) => None,
        };
        Body::Register { identifier: &self.person.value, namespace: self.person.namespace, attributes }
    }

    /// The command that records what the guest did; `None` when the record is about the guest alone.
    pub fn interaction(&self) -> Option<Body<'_>> {
        let Content::Interaction(interaction) = &self.content else { return None };
        Some(Body::Record {
            guest_id: &self.person.value,
            namespace: self.person.namespace,
            kind: &interaction.kind,
            topic: &interaction.topic,
            occurred_at: &interaction.occurred_at,
            properties: &interaction.properties,
        })
    }
}
