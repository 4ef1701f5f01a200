//! Values parsed once, at the rule that takes them.

pub(crate) mod attributes;
pub mod identifier;
pub mod instant;
pub mod json;
pub mod text;
pub mod word;

/// A field of a command that can never be taken as it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {detail}")]
pub struct Invalid {
    pub field: &'static str,
    pub code: &'static str,
    pub detail: String,
}

impl Invalid {
    pub(crate) fn required(field: &'static str) -> Self {
        Self { field, code: "validation_failed", detail: "must be given".to_owned() }
    }
}
