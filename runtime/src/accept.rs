//! `Accept`: whoever takes nothing of what a route answers is told so, instead of being sent it all the same.

use axum::Extension;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::MethodRouter;
use utoipa_axum::router::UtoipaMethodRouter;

use crate::problem::Problem;

const JSON: MediaType = MediaType { kind: "application", subtype: "json" };
const PROBLEM: MediaType = MediaType { kind: "application", subtype: "problem+json" };

/// What a route answers with when all goes well; problems are `application/problem+json` whatever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaType {
    kind: &'static str,
    subtype: &'static str,
}

impl MediaType {
    pub const JSON: Self = JSON;
    pub const EVENT_STREAM: Self = Self { kind: "text", subtype: "event-stream" };

    /// Refuses whoever takes neither this nor problems alone. An absent or empty header takes everything.
    pub(crate) fn require_accepted(self, headers: &HeaderMap) -> Result<(), Problem> {
        let mut values = headers.get_all(header::ACCEPT).iter().map(|value| value.to_str().unwrap_or_default());
        let everything = match (values.next(), values.next()) {
            (None, _) => true,
            // What nearly everybody sends is not looked into.
            (Some(one), None) => matches!(one, "" | "*/*") || (self == JSON && one == "application/json"),
            (Some(_), Some(_)) => false,
        };
        if everything || self.is_accepted(headers) {
            return Ok(());
        }
        let detail = format!("this is answered as {}/{}, which Accept leaves out", self.kind, self.subtype);
        Err(Problem::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable", detail))
    }

    fn is_accepted(self, headers: &HeaderMap) -> bool {
        let lists = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let ranges: Vec<Range> = lists.flat_map(|list| list.split(',')).filter_map(Range::parse).collect();
        // The most precise range that fits decides (RFC 9110, 12.5.1).
        let of =
            |media: Self| ranges.iter().filter(move |range| range.fits(media)).max_by_key(|range| range.precision());
        match of(self) {
            Some(range) => range.is_wanted,
            None => of(PROBLEM).is_some_and(|range| range.is_wanted),
        }
    }
}

/// A route whose answers are not JSON.
pub trait Answering {
    /// Says so to the gate, which otherwise takes every route for one of JSON: `.guarded(…).answering(MediaType::EVENT_STREAM)`.
    #[must_use]
    fn answering(self, media: MediaType) -> Self;
}

impl<S: Clone + Send + Sync + 'static> Answering for MethodRouter<S> {
    fn answering(self, media: MediaType) -> Self {
        self.route_layer(Extension(media))
    }
}

/// The document says what a route answers with where its handler stands.
impl<S: Clone + Send + Sync + 'static> Answering for UtoipaMethodRouter<S> {
    fn answering(self, media: MediaType) -> Self {
        let (schemas, paths, routes) = self;
        (schemas, paths, routes.answering(media))
    }
}

/// One member of the list: `application/*;q=0.5`.
#[derive(Debug)]
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    /// Its quality is not 0.
    is_wanted: bool,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let is_wanted = quality.is_none_or(|quality| quality.parse::<f32>().is_ok_and(|quality| quality > 0.0));
        Some(Self { kind, subtype, is_wanted })
    }

    fn fits(&self, media: MediaType) -> bool {
        let one = |range: &str, of: &str| range == "*" || range.eq_ignore_ascii_case(of);
        one(self.kind, media.kind) && one(self.subtype, media.subtype)
    }

    fn precision(&self) -> usize {
        [self.kind, self.subtype].iter().filter(|part| **part != "*").count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(media: MediaType, values: &[&'static str]) -> bool {
        let value = |value: &&'static str| (header::ACCEPT, header::HeaderValue::from_static(value));
        media.require_accepted(&values.iter().map(value).collect()).is_ok()
    }

    #[test]
    fn what_takes_json_gets_it() {
        assert!(accepts(JSON, &[]));
        for one in [
            "",
            "*/*",
            "application/json",
            "Application/JSON",
            "application/*",
            "application/problem+json",
            "application/json; charset=utf-8",
            "text/html, application/xhtml+xml;q=0.9, */*;q=0.8",
            "text/xml;q=1.0 , application/json ; q=0.001",
            "*/*;q=0, application/json",
        ] {
            assert!(accepts(JSON, &[one]), "{one}");
        }
        assert!(accepts(JSON, &["text/xml", "application/json"]));
    }

    #[test]
    fn what_takes_something_else_alone_does_not() {
        for one in [
            "text/xml",
            "text/*",
            "json",
            "application/json;q=0",
            "application/json;q=0.000, */*",
            "application/json;q=0, application/problem+json",
            "*/*;q=0",
            "application/json;q=none",
        ] {
            assert!(!accepts(JSON, &[one]), "{one}");
        }
        assert!(!accepts(JSON, &["text/xml", "text/html"]));
    }

    #[test]
    fn a_stream_of_events_is_no_json() {
        assert!(accepts(MediaType::EVENT_STREAM, &["text/event-stream"]));
        assert!(accepts(MediaType::EVENT_STREAM, &["text/event-stream", "application/json"]));
        assert!(!accepts(MediaType::EVENT_STREAM, &["application/json"]) && !accepts(JSON, &["text/event-stream"]));
    }
}
