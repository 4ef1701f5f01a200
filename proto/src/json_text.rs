//! A JSON object carried as its own text, so that no number is ever rounded on the way.

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::ProtobufFault;
use crate::strict_json::{self, JsonRefused};

pub(crate) fn serialize<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    let text = if text.is_empty() { "{}" } else { text };
    let raw: &RawValue = serde_json::from_str(text).map_err(S::Error::custom)?;
    raw.serialize(serializer)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    if !raw.get().starts_with('{') {
        return Err(D::Error::custom("invalid type: expected a JSON object"));
    }
    Ok(compact(raw.get()))
}

/// The JSON object a protobuf field carries, checked and laid out as the JSON door would have.
pub fn accept(field: &'static str, text: &str) -> Result<String, ProtobufFault> {
    if text.is_empty() {
        return Ok(String::new());
    }
    strict_json::check(text.as_bytes()).map_err(|refused| ProtobufFault::Json { field, refused })?;
    if !text.trim_start().starts_with('{') {
        return Err(ProtobufFault::Json { field, refused: JsonRefused::Malformed { line: 1, column: 1 } });
    }
    Ok(compact(text))
}

/// The same JSON without the white space between its tokens: two ways to lay out one object are one request.
fn compact(json: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    let keep = |c: &char| {
        let keep = in_string || !c.is_ascii_whitespace();
        in_string = if *c == '"' && !escaped { !in_string } else { in_string };
        escaped = in_string && *c == '\\' && !escaped;
        keep
    };
    let mut compact = String::with_capacity(json.len());
    compact.extend(json.chars().filter(keep));
    compact
}

#[cfg(test)]
mod tests {
    use super::compact;

    #[test]
    fn layout_goes_and_digits_stay() {
        let text = "{ \"dollar_value\" : 77.00,\n\t\"note\": \"a \\\" b \\\\\" , \"big\":12345678901234567890.10 }";
        assert_eq!(compact(text), r#"{"dollar_value":77.00,"note":"a \" b \\","big":12345678901234567890.10}"#);
    }
}
