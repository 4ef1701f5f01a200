//! `Prefer: respond-async` (RFC 7240): a caller who would rather not wait.

use axum::http::{HeaderMap, HeaderName};
use data_encoding::HEXUPPER;

const PREFER: HeaderName = HeaderName::from_static("prefer");

pub(super) fn respond_async(headers: &HeaderMap) -> bool {
    let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|preference| {
        let name = preference.split([';', '=']).next().unwrap_or_default();
        name.trim().eq_ignore_ascii_case("respond-async")
    })
}

/// A command id as one segment of a path.
pub(super) fn path_segment(id: &str) -> String {
    let mut segment = String::with_capacity(id.len());
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            segment.push(char::from(byte));
        } else {
            segment.push('%');
            segment.push_str(&HEXUPPER.encode(&[byte]));
        }
    }
    segment
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefers(value: &'static str) -> bool {
        respond_async(&HeaderMap::from_iter([(PREFER, axum::http::HeaderValue::from_static(value))]))
    }

    #[test]
    fn the_preference_is_found_among_others() {
        assert!(prefers("respond-async") && prefers("wait=5, Respond-Async; x=1"));
        assert!(!prefers("") && !prefers("return=minimal") && !prefers("respond-asynchronously"));
    }

    #[test]
    fn an_id_is_one_segment() {
        assert_eq!(path_segment("order-1"), "order-1");
        assert_eq!(path_segment("a/b?c%"), "a%2Fb%3Fc%25");
    }
}
