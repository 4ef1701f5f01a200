//! A caller's name for a guest, refused in the words of a command's field.

use proto::identifier::{Identifier, InvalidIdentifier};

use super::Invalid;

/// The identifier in its normal form.
pub fn parse(field: &'static str, namespace: &str, value: &str) -> Result<Identifier, Invalid> {
    Identifier::parse(namespace, value).map_err(|invalid| refuse(field, invalid))
}

/// The refusal callers see.
pub fn refuse(field: &'static str, invalid: InvalidIdentifier) -> Invalid {
    Invalid { field, code: invalid.code(), detail: invalid.to_string() }
}
