//! A JSON object carried as its own text.

use super::Invalid;

/// Longest object, in bytes.
pub const MAX_BYTES: usize = 32 * 1024;

/// The object's text; empty when none was given. The doors have checked that it is well-formed.
pub(crate) fn object(field: &'static str, json: &str) -> Result<String, Invalid> {
    if json.len() > MAX_BYTES {
        return Err(Invalid { field, code: "too_long", detail: format!("takes at most {MAX_BYTES} bytes") });
    }
    let is_object = json.starts_with('{') && json.ends_with('}');
    if !json.is_empty() && !is_object {
        return Err(Invalid { field, code: "validation_failed", detail: "must be a JSON object".to_owned() });
    }
    Ok(if json == "{}" { String::new() } else { json.to_owned() })
}
