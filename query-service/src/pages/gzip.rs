//! Files that lie compressed: sent so to whoever takes that, and inflated to the others.

use std::io::Read as _;

use axum::http::{HeaderMap, header};
use flate2::read::GzDecoder;

/// Whether `Accept-Encoding` takes gzip.
pub(super) fn is_taken(request: &HeaderMap) -> bool {
    let values = request.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut codings = values.flat_map(|value| value.split(',')).map(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        (name.trim(), weight.trim().strip_prefix("q=").and_then(|weight| weight.parse().ok()).unwrap_or(1.0_f32))
    });
    codings.any(|(name, weight)| (name.eq_ignore_ascii_case("gzip") || name == "*") && weight > 0.0)
}

pub(super) fn inflate(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut inflated = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut inflated)?;
    Ok(inflated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        for (value, expected) in [
            ("gzip, deflate, br", true),
            ("br;q=1.0, GZIP;q=0.5", true),
            ("*", true),
            ("gzip;q=0", false),
            ("br", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, value.parse().expect("a header value"))]);
            assert_eq!(is_taken(&headers), expected, "{value}");
        }
        assert!(!is_taken(&HeaderMap::new()));
    }
}
