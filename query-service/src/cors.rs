//! CORS: which pages of other origins may ask from a browser, when any may.

use std::str::FromStr;
use std::time::Duration;

use axum::http::uri::Scheme;
use axum::http::{HeaderName, HeaderValue, Method, Uri, header};
use tower_http::cors::{AllowOrigin, Any, CorsLayer, Vary};

const METHODS: [Method; 5] = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE];
/// How long a browser need not ask again whether it may.
const MAX_AGE: Duration = Duration::from_mins(10);

const ASKED: [HeaderName; 11] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("last-event-id"),
    HeaderName::from_static("prefer"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("x-min-position"),
    HeaderName::from_static("x-tenant-id"),
    HeaderName::from_static("x-wait-ms"),
];

const ANSWERED: [HeaderName; 11] = [
    header::ETAG,
    header::LOCATION,
    header::RETRY_AFTER,
    HeaderName::from_static("consistency-token"),
    HeaderName::from_static("idempotent-replayed"),
    HeaderName::from_static("preference-applied"),
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
    HeaderName::from_static("x-as-of"),
    HeaderName::from_static("x-canonical-id"),
    HeaderName::from_static("x-parked-from"),
];

/// The pages that may ask: none, those of some origins, or all there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CorsOrigins(Pages);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Pages {
    #[default]
    None,
    These(Vec<HeaderValue>),
    All,
}

/// Not a list of origins.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be origins between commas, or *")]
pub struct InvalidCorsOrigins;

impl FromStr for CorsOrigins {
    type Err = InvalidCorsOrigins;

    /// `https://app.example,https://admin.example:8443`, `*`, or nothing.
    fn from_str(text: &str) -> Result<Self, InvalidCorsOrigins> {
        let pages = match text.trim() {
            "" => Some(Pages::None),
            "*" => Some(Pages::All),
            list => list.split(',').map(|one| origin(one.trim())).collect::<Option<_>>().map(Pages::These),
        };
        pages.map(Self).ok_or(InvalidCorsOrigins)
    }
}

/// As a browser spells it, and compares it letter for letter: without a path, not even `/`.
fn origin(text: &str) -> Option<HeaderValue> {
    let uri: Uri = text.parse().ok()?;
    let scheme = uri.scheme().filter(|scheme| [Scheme::HTTP, Scheme::HTTPS].contains(scheme))?;
    let spelled = format!("{scheme}://{}", uri.authority()?).to_ascii_lowercase();
    (spelled == text && !text.contains(['@', '*'])).then(|| text.parse().ok())?
}

impl CorsOrigins {
    /// Answers what browsers ask beforehand, and tells them who may read an answer. `None`: nobody is told anything.
    ///
    /// No page is ever allowed to send what a browser keeps of its user, such as cookies: a token is brought by the page itself.
    pub(crate) fn layer(self) -> Option<CorsLayer> {
        let allowed = match self.0 {
            Pages::None => return None,
            Pages::These(origins) => AllowOrigin::list(origins),
            Pages::All => AllowOrigin::from(Any),
        };
        let layer = CorsLayer::new().allow_origin(allowed).allow_methods(METHODS).allow_headers(ASKED);
        Some(layer.expose_headers(ANSWERED).max_age(MAX_AGE).vary(Vary::list([header::ORIGIN])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Pages> {
        text.parse::<CorsOrigins>().ok().map(|origins| origins.0)
    }

    #[test]
    fn origins_are_read_as_browsers_spell_them() {
        assert_eq!(read(" "), Some(Pages::None));
        assert_eq!(read("*"), Some(Pages::All));
        let two = ["https://app.example", "http://127.0.0.1:5173"].map(HeaderValue::from_static);
        assert_eq!(read("https://app.example, http://127.0.0.1:5173"), Some(Pages::These(two.to_vec())));
    }

    #[test]
    fn what_no_browser_would_send_is_refused() {
        for text in [
            "app.example",
            "https://app.example/",
            "https://App.example",
            "https://*.example",
            "null",
            "ftp://a",
            "a,,b",
            "*,https://a",
            "https://u@a",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
