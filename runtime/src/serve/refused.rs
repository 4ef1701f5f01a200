//! Requests that no route sees: what is wrong with them is wrong for every one.

use axum::http::uri::Authority;
use axum::http::{HeaderMap, Request, StatusCode, Version, header};

use super::raw_head::RawHead;
use crate::problem::Problem;

const MAX_PATH_BYTES: usize = 8 * 1024;

/// Why this request is answered by nobody, when it is not; nothing that comes after it on the connection is to be trusted.
pub(super) fn refused<B>(request: &Request<B>, raw_head: &RawHead) -> Option<Problem> {
    if request.uri().path().len() > MAX_PATH_BYTES {
        return Some(uri_too_long());
    }
    if !names_its_host(request.version(), request.headers()) {
        return Some(malformed("Host is given exactly once, as a host and a port"));
    }
    let is_chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
    (is_chunked && !raw_head.has_one_length(request.method()))
        .then(|| malformed("Transfer-Encoding and Content-Length exclude each other"))
}

/// As RFC 9112 (3.2) asks of everybody who speaks HTTP/1.1.
fn names_its_host(version: Version, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => version < Version::HTTP_11,
        (Some(host), None) => {
            host.is_empty() || Authority::try_from(host.as_bytes()).is_ok_and(|host| !has_user(&host))
        }
        (Some(_), Some(_)) => false,
    }
}

fn has_user(host: &Authority) -> bool {
    host.as_str().contains('@')
}

fn malformed(detail: &str) -> Problem {
    Problem::bad_request("malformed_header", detail)
}

fn uri_too_long() -> Problem {
    let detail = format!("a path takes at most {MAX_PATH_BYTES} bytes");
    Problem::new(StatusCode::URI_TOO_LONG, "uri_too_long", detail)
}

pub(super) async fn route_not_found() -> Problem {
    Problem::not_found("route_not_found", "there is no such route")
}

/// Of a route that is there for other methods; `Allow` is added by axum.
pub async fn method_not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this route does not take that method")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(version: Version, hosts: &[&'static str]) -> bool {
        let value = |host: &&'static str| (header::HOST, header::HeaderValue::from_static(host));
        names_its_host(version, &hosts.iter().map(value).collect())
    }

    #[test]
    fn a_host_is_named_once_and_readably() {
        for good in ["a", "a.example:8003", "127.0.0.1", "[::1]:80", ""] {
            assert!(takes(Version::HTTP_11, &[good]), "{good}");
        }
        for bad in ["a b", "a/b", "user@a", "a:b:c"] {
            assert!(!takes(Version::HTTP_11, &[bad]), "{bad}");
        }
        assert!(!takes(Version::HTTP_11, &[]) && !takes(Version::HTTP_11, &["a", "a"]));
        assert!(takes(Version::HTTP_10, &[]));
    }
}
