//! Reading a request's JSON body within its limits.

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use proto::strict_json;

use crate::problem::Problem;

/// Largest body of a command.
pub const MAX_BODY_BYTES: usize = 256 * 1024;

/// The body, when it is well-formed JSON of at most [`MAX_BODY_BYTES`].
pub async fn json_bytes(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    require_plain_json(headers)?;
    let bytes = match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(too_large()),
        Err(_) => return Err(Problem::bad_request("malformed_body", "the request body ended early")),
    };
    strict_json::check(&bytes)?;
    Ok(bytes)
}

/// The answer to a body over the limit, through whichever door it came.
pub fn too_large() -> Problem {
    let detail = format!("a command takes at most {MAX_BODY_BYTES} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", detail)
}

fn require_plain_json(headers: &HeaderMap) -> Result<(), Problem> {
    let unsupported = |code, detail| Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, code, detail));
    if headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return unsupported("unsupported_encoding", "send the body without Content-Encoding");
    }
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if is_utf8_json(content_type) {
        return Ok(());
    }
    unsupported("unsupported_media_type", "send Content-Type: application/json")
}

fn is_utf8_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(|part| part.trim().to_ascii_lowercase());
    parts.next().is_some_and(|media| media == "application/json")
        && parts.all(|parameter| matches!(parameter.as_str(), "charset=utf-8" | "charset=\"utf-8\""))
}

#[cfg(test)]
mod tests {
    use super::is_utf8_json;

    #[test]
    fn only_json_in_utf8_is_taken() {
        assert!(is_utf8_json("application/json") && is_utf8_json("Application/JSON; charset=UTF-8"));
        assert!(!is_utf8_json("") && !is_utf8_json("text/plain") && !is_utf8_json("application/json; charset=latin1"));
    }
}
