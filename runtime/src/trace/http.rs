//! The span of an HTTP request, by the semantic conventions of OpenTelemetry; no path and no query, since they name people.

use std::convert::Infallible;

use axum::extract::MatchedPath;
use axum::http::{Extensions, Method, Request};
use axum::response::Response;
use futures_util::TryFutureExt as _;
use tracing::Span;
use tracing::field::Empty;

use super::{Scope, TARGET, current, in_headers, note, spans};

/// Asked every few seconds by whoever watches the process.
const PROBES: [&str; 3] = ["/healthz/live", "/healthz/ready", "/metrics"];

/// Answers a request within its trace.
pub(crate) fn answered<B, F>(
    request: Request<B>,
    answer: impl FnOnce(Request<B>) -> F,
) -> impl Future<Output = Result<Response, Infallible>>
where
    F: Future<Output = Result<Response, Infallible>>,
{
    let scope = Scope::new(in_headers(request.headers()), || span(&request));
    let span = scope.span().clone();
    scope.wrap(answer(request)).inspect_ok(move |response| tell(&span, response))
}

fn span<B>(request: &Request<B>) -> Span {
    if PROBES.contains(&request.uri().path()) {
        return Span::none();
    }
    let method = named(request.method());
    tracing::debug_span!(
        target: TARGET,
        "http",
        otel.name = method,
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = Empty,
        http.response.status_code = Empty,
        error.type = Empty,
    )
}

/// A method is any word that a caller likes.
fn named(method: &Method) -> &str {
    let known = [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::HEAD, Method::OPTIONS];
    if known.contains(method) { method.as_str() } else { "_OTHER" }
}

/// Names the request after the route that was found for it.
pub fn matched(method: &Method, extensions: &Extensions) {
    let (Some(_), Some(route)) = (current(), extensions.get::<MatchedPath>()) else { return };
    let (span, route) = (Span::current(), route.as_str());
    spans::rename(&span, format!("{} {route}", named(method)));
    note(&span, "http.route", route);
}

fn tell(span: &Span, response: &Response) {
    if span.is_disabled() {
        return;
    }
    span.record("http.response.status_code", response.status().as_u16());
    if response.status().is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}
