//! What JSON must be before anybody decodes it: one document, unique keys, bounded depth, no NUL.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Deepest nesting a document may have.
pub const MAX_DEPTH: usize = 32;
/// Most members of one object or elements of one array.
pub const MAX_ITEMS: usize = 1_000;
/// Members most objects stay below.
const EXPECTED_MEMBERS: usize = 16;

/// Why a text is refused although, or because, decoders differ about it. `docs/problems.md` explains the codes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonRefused {
    #[error("not JSON at line {line} column {column}")]
    Malformed { line: usize, column: usize },
    #[error("JSON is UTF-8")]
    NotUtf8,
    #[error("JSON may nest {MAX_DEPTH} levels")]
    TooDeep,
    #[error("a key stands twice in one JSON object")]
    DuplicateKey,
    #[error("the character U+0000 cannot be stored")]
    Nul,
    #[error("an object or array takes {MAX_ITEMS} items")]
    TooManyItems,
    #[error("a number is too large to be one")]
    NumberOutOfRange,
}

impl JsonRefused {
    /// The stable code callers see.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } | Self::NotUtf8 => "malformed_json",
            Self::TooDeep => "json_too_deep",
            Self::DuplicateKey => "duplicate_key",
            Self::Nul => "invalid_character",
            Self::TooManyItems => "too_many_items",
            Self::NumberOutOfRange => "number_out_of_range",
        }
    }
}

/// Refuses what decoders differ about or Postgres cannot keep.
pub fn check(json: &[u8]) -> Result<(), JsonRefused> {
    if std::str::from_utf8(json).is_err() {
        return Err(JsonRefused::NotUtf8);
    }
    let mut found = None;
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let walked = Walk { depth: 0, found: &mut found }.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    match (found, walked) {
        (Some(refused), _) => Err(refused),
        (None, Ok(())) => Ok(()),
        // serde_json says this one only in words.
        (None, Err(error)) if error.to_string().starts_with("number out of range") => {
            Err(JsonRefused::NumberOutOfRange)
        }
        (None, Err(error)) => Err(JsonRefused::Malformed { line: error.line(), column: error.column() }),
    }
}

/// Visits every token and keeps none but the first refusal.
struct Walk<'a> {
    depth: usize,
    found: &'a mut Option<JsonRefused>,
}

impl Walk<'_> {
    fn stop<E: serde::de::Error>(&mut self, refused: JsonRefused) -> E {
        self.found.get_or_insert(refused);
        E::custom("refused")
    }

    fn enter<E: serde::de::Error>(&mut self) -> Result<(), E> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(self.stop(JsonRefused::TooDeep)) } else { Ok(()) }
    }

    fn count<E: serde::de::Error>(&mut self, items: usize) -> Result<(), E> {
        if items > MAX_ITEMS { Err(self.stop(JsonRefused::TooManyItems)) } else { Ok(()) }
    }

    fn inner(&mut self) -> Walk<'_> {
        Walk { depth: self.depth, found: self.found }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(mut self, text: &str) -> Result<(), E> {
        if text.contains('\0') { Err(self.stop(JsonRefused::Nul)) } else { Ok(()) }
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        self.enter()?;
        let mut seen = 0;
        while items.next_element_seed(self.inner())?.is_some() {
            seen += 1;
            self.count(seen)?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        self.enter()?;
        let mut keys = Vec::with_capacity(EXPECTED_MEMBERS);
        while let Some(Key(key)) = members.next_key()? {
            if key.contains('\0') {
                return Err(self.stop(JsonRefused::Nul));
            }
            keys.push(key);
            self.count(keys.len())?;
            members.next_value_seed(self.inner())?;
        }
        keys.sort_unstable();
        if keys.windows(2).any(|pair| pair[0] == pair[1]) { Err(self.stop(JsonRefused::DuplicateKey)) } else { Ok(()) }
    }
}

/// A member's name, copied only where it is written with escapes.
struct Key<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;

        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(key)))
            }

            fn visit_str<E>(self, key: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(key.to_owned())))
            }
        }

        deserializer.deserialize_str(KeyVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    fn code(json: &str) -> &'static str {
        check(json.as_bytes()).map_or_else(|refused| refused.code(), |()| "fine")
    }

    #[test]
    fn well_formed_documents_pass() {
        for json in ["{}", "[]", "null", r#"{"a":[1,2.50,{"b":"\u00e9"}],"c":12345678901234567890.10}"#] {
            assert_eq!(code(json), "fine", "{json}");
        }
    }

    #[test]
    fn what_is_not_one_document_is_malformed() {
        for json in ["", "{", "{}{}", "\u{feff}{}", r#"{"a":"\ud800"}"#, "{'a':1}", "NaN"] {
            assert_eq!(code(json), "malformed_json", "{json:?}");
        }
        assert_eq!(check(b"\"\xff\"").map_err(|refused| refused.code()), Err("malformed_json"));
    }

    #[test]
    fn what_decoders_differ_about_has_its_own_code() {
        assert_eq!(code(r#"{"a":{"b":1,"b":2}}"#), "duplicate_key");
        assert_eq!(code(r#"{"a":1,"c":2,"\u0061":3}"#), "duplicate_key", "one written with an escape");
        assert_eq!(code(r#"{"a":1,"a":2"#), "malformed_json", "what is no JSON has no keys");
        assert_eq!(code(r#"{"a":"\u0000"}"#), "invalid_character");
        assert_eq!(code(r#"{"\u0000":1}"#), "invalid_character");
        assert_eq!(code("1e999"), "number_out_of_range");
        assert_eq!(code(&"[".repeat(100_000)), "json_too_deep");
        assert_eq!(code(&format!("{}{}", "[".repeat(32), "]".repeat(32))), "fine");
        assert_eq!(code(&format!("[{}1]", "1,".repeat(1_000))), "too_many_items");
    }
}
