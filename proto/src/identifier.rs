//! What callers call a guest by: an identifier of theirs, or an id of ours. Normalised here and nowhere else.

use unicode_normalization::UnicodeNormalization as _;

use crate::subject::{GUEST_PREFIX, Owner};

/// The namespace of an identifier whose caller names none.
pub const DEFAULT_NAMESPACE: &str = "user_id";

const MAX_VALUE_BYTES: usize = 255;
const MAX_NAMESPACE_BYTES: usize = 64;
const EMAIL: &str = "email";

/// Values that broken clients send for everybody: taking one would make strangers one person.
const BLOCKED: &[&str] = &[
    "-1",
    "anonymous",
    "distinct_id",
    "email",
    "false",
    "guest",
    "id",
    "me",
    "nan",
    "none",
    "not_authenticated",
    "null",
    "[object object]",
    "true",
    "undefined",
    "unknown",
    "user_id",
];

/// A caller's name for a guest: unique within tenant and namespace.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Identifier {
    namespace: String,
    value: String,
}

/// Why a text is not an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdentifier {
    #[error("an identifier takes 1 to {MAX_VALUE_BYTES} bytes of UTF-8")]
    Length,
    #[error("an identifier takes no control characters, bidirectional overrides or zero-width characters")]
    Character,
    #[error("a namespace takes 1 to {MAX_NAMESPACE_BYTES} characters of a-z, 0-9 and _")]
    Namespace,
    #[error("this value stands for nobody in particular, so it cannot name a guest")]
    Blocked,
    #[error("an id that starts with prf_ is ours and has 32 hexadecimal digits")]
    LooksLikeOurs,
}

impl InvalidIdentifier {
    /// The stable code callers see.
    pub fn code(self) -> &'static str {
        match self {
            Self::Blocked => "blocked_identifier",
            Self::Length | Self::Character | Self::Namespace | Self::LooksLikeOurs => "invalid_identifier",
        }
    }
}

impl Identifier {
    /// The identifier in its one normal form: trimmed, NFC, e-mail addresses in lower case. An empty namespace is the default one.
    pub fn parse(namespace: &str, value: &str) -> Result<Self, InvalidIdentifier> {
        let namespace = if namespace.is_empty() { DEFAULT_NAMESPACE } else { namespace };
        let in_namespace = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if namespace.len() > MAX_NAMESPACE_BYTES || !namespace.bytes().all(in_namespace) {
            return Err(InvalidIdentifier::Namespace);
        }
        let value = value.trim();
        // NFC comes last: lower-casing can take a composed letter apart.
        let value = if namespace == EMAIL { nfc(&value.to_lowercase()) } else { nfc(value) };
        if value.starts_with(GUEST_PREFIX) {
            return Err(InvalidIdentifier::LooksLikeOurs);
        }
        if value.is_empty() || value.len() > MAX_VALUE_BYTES {
            return Err(InvalidIdentifier::Length);
        }
        if value.chars().any(is_invisible) {
            return Err(InvalidIdentifier::Character);
        }
        if is_blocked(&value) {
            return Err(InvalidIdentifier::Blocked);
        }
        Ok(Self { namespace: namespace.to_owned(), value })
    }

    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    pub fn value(&self) -> &str {
        &self.value
    }
}

impl std::fmt::Debug for Identifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identifier({}:..)", self.namespace)
    }
}

/// The text in Unicode's composed normal form, in which ASCII is what it is.
pub fn nfc(text: &str) -> String {
    if text.is_ascii() { text.to_owned() } else { text.nfc().collect() }
}

fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn is_blocked(value: &str) -> bool {
    BLOCKED.iter().any(|blocked| blocked.eq_ignore_ascii_case(value)) || value.bytes().all(|b| b == b'0' || b == b'-')
}

/// How a request names its guest.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum GuestRef {
    /// By our own id.
    Ours(Owner),
    /// By an identifier of the caller's.
    Theirs(Identifier),
}

impl GuestRef {
    /// Reads an id as paths and commands carry it: ours when it has our form, else the caller's in `namespace`.
    pub fn parse(namespace: &str, id: &str) -> Result<Self, InvalidIdentifier> {
        match Owner::parse_guest(id) {
            Some(owner) => Ok(Self::Ours(owner)),
            None => Identifier::parse(namespace, id).map(Self::Theirs),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(namespace: &str, value: &str) -> Result<String, InvalidIdentifier> {
        Identifier::parse(namespace, value).map(|identifier| identifier.value)
    }

    #[test]
    fn any_utf8_is_an_identifier_as_it_is() {
        for value in ["00001", "ada@example.com", "auth0|5f7c8ec7", "Ωμέγα 漢字", "Ada"] {
            assert_eq!(parse("", value), Ok(value.to_owned()));
        }
    }

    #[test]
    fn what_looks_equal_is_equal() {
        assert_eq!(parse("user_id", "  cafe\u{301} "), Ok("café".to_owned()));
        assert_eq!(parse("email", "Ada@Example.com"), Ok("ada@example.com".to_owned()));
    }

    #[test]
    fn a_value_that_names_nobody_is_blocked() {
        for value in ["null", "Anonymous", "0", "0000", "-", "-1", "undefined", "[object Object]"] {
            assert_eq!(parse("", value), Err(InvalidIdentifier::Blocked), "{value}");
        }
    }

    #[test]
    fn unreadable_values_are_refused() {
        assert_eq!(parse("", " "), Err(InvalidIdentifier::Length));
        assert_eq!(parse("", &"x".repeat(256)), Err(InvalidIdentifier::Length));
        assert_eq!(parse("", "a\u{202e}b"), Err(InvalidIdentifier::Character));
        assert_eq!(parse("E-mail", "x"), Err(InvalidIdentifier::Namespace));
    }

    fn ours_in_capitals() -> String {
        Owner::guest(u128::MAX).to_string().replace('f', "F").replace("prF", "prf")
    }

    #[test]
    fn our_ids_and_theirs_are_never_confused() {
        let ours = Owner::guest(1);
        assert_eq!(GuestRef::parse("", ours.as_str()), Ok(GuestRef::Ours(ours)));
        assert_eq!(parse("email", "J\u{30c}@example.com"), parse("email", "\u{1f0}@example.com"));
        for text in ["prf_1", " prf_1", ours_in_capitals().as_str()] {
            assert_eq!(GuestRef::parse("", text), Err(InvalidIdentifier::LooksLikeOurs), "{text}");
            assert_eq!(parse("", text), Err(InvalidIdentifier::LooksLikeOurs), "{text}");
        }
    }

    #[test]
    fn an_identifier_is_never_printed() {
        let identifier = Identifier::parse("email", "ada@example.com").expect("valid");
        assert_eq!(format!("{identifier:?}"), "Identifier(email:..)");
    }
}
