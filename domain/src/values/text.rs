//! One line of text.

use proto::identifier::nfc;

use super::Invalid;

/// The text, trimmed and in NFC; empty when it is only white space.
pub(crate) fn line(field: &'static str, text: &str, max_bytes: usize) -> Result<String, Invalid> {
    let line = nfc(text.trim());
    if line.len() > max_bytes {
        return Err(Invalid { field, code: "too_long", detail: format!("takes at most {max_bytes} bytes") });
    }
    if line.chars().any(char::is_control) {
        return Err(Invalid { field, code: "invalid_character", detail: "takes no control characters".to_owned() });
    }
    Ok(line)
}
