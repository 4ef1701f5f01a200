//! An answer of 200: JSON that says as of which position it is, and an entity tag where the resource has one.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, StatusCode, header, response};
use axum::response::Response;
use serde::Serialize;

use crate::error::Fault;
use crate::fields::{Fields, Selectable};
use crate::position::Position;

pub(crate) const AS_OF_HEADER: HeaderName = HeaderName::from_static("x-as-of");
/// From here on commits are parked: what they change is not in the answer.
const PARKED_HEADER: HeaderName = HeaderName::from_static("x-parked-from");
const CANONICAL_ID_HEADER: HeaderName = HeaderName::from_static("x-canonical-id");

pub(crate) struct Answer {
    as_of: Position,
    parked_from: Option<String>,
    etag: Option<String>,
    canonical_id: Option<String>,
}

impl Answer {
    pub(crate) fn as_of(as_of: Position) -> Self {
        Self { as_of, parked_from: None, etag: None, canonical_id: None }
    }

    /// Says that commits of those the answer is about are set aside, when some are.
    pub(crate) fn parked(mut self, from: Option<Position>) -> Self {
        self.parked_from = from.map(|from| from.to_string());
        self
    }

    /// `"v<facet version>-<row position>"`
    pub(crate) fn tagged(mut self, version: i64, position: i64) -> Self {
        self.etag = Some(format!("\"v{version}-{position}\""));
        self
    }

    /// Tells the caller the id this guest goes by now, when it asked by another.
    pub(crate) fn canonical(mut self, asked: &str, canonical_id: &str) -> Self {
        self.canonical_id = (asked != canonical_id).then(|| canonical_id.to_owned());
        self
    }

    /// The answer with `body`, or 304 when `request` shows that its sender has it.
    pub(crate) fn respond(self, request: &HeaderMap, body: &impl Serialize) -> Result<Response, Fault> {
        if self.etag.as_deref().is_some_and(|etag| has(request, etag)) {
            return Ok(self.head(StatusCode::NOT_MODIFIED).body(Body::empty())?);
        }
        let json = serde_json::to_vec(body)?;
        Ok(self.head(StatusCode::OK).header(header::CONTENT_TYPE, "application/json").body(Body::from(json))?)
    }

    /// The same with the members alone that were asked for.
    pub(crate) fn respond_with<T: Selectable>(
        self,
        request: &HeaderMap,
        body: &T,
        fields: Option<&Fields>,
    ) -> Result<Response, Fault> {
        match fields {
            None => self.respond(request, body),
            Some(fields) => self.respond(request, &fields.of(body)?),
        }
    }

    fn head(&self, status: StatusCode) -> response::Builder {
        let mut head = Response::builder().status(status).header(AS_OF_HEADER, self.as_of.to_string());
        // Somebody's data: only their own browser may keep it, and must ask each time.
        head = head.header(header::CACHE_CONTROL, "private, no-cache");
        let told =
            [(header::ETAG, &self.etag), (CANONICAL_ID_HEADER, &self.canonical_id), (PARKED_HEADER, &self.parked_from)];
        for (name, value) in told {
            if let Some(value) = value {
                head = head.header(name, value);
            }
        }
        head
    }
}

/// `If-None-Match`, compared weakly as RFC 9110 asks.
pub(crate) fn has(request: &HeaderMap, etag: &str) -> bool {
    let lists = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = lists.flat_map(|list| list.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

#[cfg(test)]
mod tests {
    use super::{HeaderMap, has, header};

    #[test]
    fn a_tag_is_found_in_a_list_weak_or_starred() {
        for (value, expected) in [
            ("\"v1-2\"", true),
            ("W/\"v1-2\"", true),
            ("\"v1-1\", \"v1-2\"", true),
            ("*", true),
            ("\"v1-22\"", false),
            ("v1-2", false),
        ] {
            let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, value.parse().expect("a header value"))]);
            assert_eq!(has(&headers, "\"v1-2\""), expected, "{value}");
        }
    }
}
