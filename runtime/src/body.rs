//! Reading a request's JSON body within its limits, or passing it on within them.

mod passed_on;

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use proto::strict_json;

use crate::problem::Problem;
pub use passed_on::{Broken, passed_on};

/// Largest body of a command.
pub const MAX_BODY_BYTES: usize = 256 * 1024;

/// Ample for that much over a poor line; whoever takes longer only holds the connection.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";

/// Bodies of this length are nothing to hold in memory.
const SMALL_BYTES: u64 = 16 * 1024;

/// Whether it says that it is short.
pub(crate) fn is_small(body: &impl hyper::body::Body) -> bool {
    body.size_hint().exact().is_some_and(|length| length <= SMALL_BYTES)
}

/// The body, when it is well-formed JSON of at most [`MAX_BODY_BYTES`] and all of it comes within ten seconds.
pub async fn json_bytes(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    read(headers, body, &[JSON]).await
}

/// The same of a patch, which may say that it is one (RFC 7396).
pub async fn json_patch_bytes(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    read(headers, body, &[JSON, MERGE_PATCH]).await
}

async fn read(headers: &HeaderMap, body: Body, media: &[&str]) -> Result<Bytes, Problem> {
    require_plain_json(headers, media)?;
    let bytes = collect(body, BODY_TIMEOUT).await?;
    strict_json::check(&bytes)?;
    Ok(bytes)
}

async fn collect(body: Body, timeout: Duration) -> Result<Bytes, Problem> {
    match tokio::time::timeout(timeout, Limited::new(body, MAX_BODY_BYTES).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) => Err(unreadable(error.as_ref())),
        Err(_) => Err(too_slow(timeout)),
    }
}

/// The answer to a body over the limit, through whichever door it came.
pub fn too_large() -> Problem {
    let detail = format!("a command takes at most {MAX_BODY_BYTES} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", detail)
}

fn unreadable(error: &(dyn std::error::Error + 'static)) -> Problem {
    if error.is::<LengthLimitError>() {
        return too_large();
    }
    Problem::bad_request("malformed_body", "the request body ended early")
}

fn too_slow(timeout: Duration) -> Problem {
    let detail = format!("the request body did not come within {timeout:?}");
    Problem::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", detail)
}

fn require_plain_json(headers: &HeaderMap, media: &[&str]) -> Result<(), Problem> {
    let unsupported = |code, detail| Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, code, detail));
    if headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return unsupported("unsupported_encoding", "send the body without Content-Encoding");
    }
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if is_utf8(content_type, media) {
        return Ok(());
    }
    unsupported("unsupported_media_type", "send Content-Type: application/json")
}

fn is_utf8(content_type: &str, expected: &[&str]) -> bool {
    let mut parts = content_type.split(';').map(|part| part.trim().to_ascii_lowercase());
    parts.next().is_some_and(|media| expected.contains(&media.as_str()))
        && parts.all(|parameter| matches!(parameter.as_str(), "charset=utf-8" | "charset=\"utf-8\""))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use axum::body::Body;
    use bytes::Bytes;
    use futures_util::stream;

    use super::{JSON, MERGE_PATCH, collect, is_utf8};

    #[tokio::test]
    async fn a_body_that_never_ends_is_given_up() {
        let body = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        let problem = collect(body, Duration::ZERO).await.unwrap_err();
        assert_eq!((problem.status().as_u16(), problem.code()), (408, "body_timeout"));
    }

    #[test]
    fn only_json_in_utf8_is_taken() {
        let json = |content_type| is_utf8(content_type, &[JSON]);
        assert!(json("application/json") && json("Application/JSON; charset=UTF-8"));
        assert!(!json("") && !json("text/plain") && !json("application/json; charset=latin1") && !json(MERGE_PATCH));
        assert!(is_utf8(MERGE_PATCH, &[JSON, MERGE_PATCH]));
    }
}
