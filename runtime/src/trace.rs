//! One trace over all processes (W3C Trace Context): what comes with a request goes on with everything done for it.
//!
//! Whoever sends no `traceparent` to a process that records no traces costs it a look at the headers.

pub(crate) mod http;
#[cfg(feature = "otlp")]
pub(crate) mod recorded;

use std::fmt::Display;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use proto::header;
use tracing::field::display;
use tracing::{Instrument as _, Span};

pub use http::matched;
pub use proto::TraceParent;
#[cfg(feature = "otlp")]
use recorded as spans;

/// Of every span that is recorded. They are made at the level debug, so that the log leaves them out.
pub const TARGET: &str = "keepsake::trace";
/// Of what shows a trace in the log.
const LOG_TARGET: &str = "keepsake::log";

const TRACEPARENT: HeaderName = HeaderName::from_static(header::TRACEPARENT);
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

tokio::task_local! {
    static CURRENT: Option<TraceParent>;
}

/// Of a build that records nothing.
#[cfg(not(feature = "otlp"))]
mod spans {
    use super::{Span, TraceParent};

    pub(super) fn are_recorded() -> bool {
        false
    }

    pub(super) fn follow(_: &Span, _: &[TraceParent]) {}

    pub(super) fn rename(_: &Span, _: String) {}

    pub(super) fn context(_: &Span) -> Option<TraceParent> {
        None
    }
}

/// What is done for one request of a caller.
#[derive(Clone, Debug)]
pub struct Scope {
    context: Option<TraceParent>,
    span: Span,
    /// Puts the trace before every line of the log.
    logged: Span,
}

impl Scope {
    /// Continues the caller's trace; without one, a new one when traces are recorded. `span` is made when there is a trace.
    pub fn new(caller: Option<TraceParent>, span: impl FnOnce() -> Span) -> Self {
        if caller.is_none() && !spans::are_recorded() {
            return Self { context: None, span: Span::none(), logged: Span::none() };
        }
        let span = span();
        spans::follow(&span, caller.as_slice());
        let context = spans::context(&span).or(caller);
        Self { context, span, logged: context.as_ref().map_or_else(Span::none, logged) }
    }

    /// Has the future run in it.
    pub fn wrap<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        // From the inside: the log shows nothing of what is only recorded, and lies around it.
        CURRENT.scope(self.context, future).instrument(self.span.clone()).instrument(self.logged.clone())
    }

    /// Runs it in there.
    pub fn run<T>(&self, act: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self.context, act)
    }

    pub(crate) fn span(&self) -> &Span {
        &self.span
    }
}

/// The trace that this task works for.
pub fn current() -> Option<TraceParent> {
    CURRENT.try_with(|context| *context).ok().flatten()
}

/// Has a future that becomes a task of its own go on with the present trace.
pub fn here<F: Future>(future: F) -> impl Future<Output = F::Output> + use<F> {
    let context = current();
    CURRENT.scope(context, future).instrument(context.map_or_else(Span::none, |_| Span::current()))
}

/// A span within the present trace; none when there is no trace.
pub fn step(span: impl FnOnce() -> Span) -> Span {
    current().map_or_else(Span::none, |_| span())
}

/// A span of its own for what several traces led to: it belongs to the one there is, or is linked with all of them. None when
/// nobody records them.
pub fn step_of(causes: &[TraceParent], span: impl FnOnce() -> Span) -> Span {
    if causes.is_empty() || !spans::are_recorded() {
        return Span::none();
    }
    let span = span();
    spans::follow(&span, causes);
    span
}

/// What goes out with a message that is sent within this span.
pub fn onward(span: &Span) -> Option<TraceParent> {
    spans::context(span).or_else(current)
}

/// Writes down what became of a step.
pub fn note(span: &Span, field: &'static str, value: impl Display) {
    if !span.is_disabled() {
        span.record(field, display(value));
    }
}

/// The trace of a request that is passed on to the next service with its headers. A `tracestate` belongs to the `traceparent` it came with.
pub fn pass_on(headers: &mut HeaderMap) {
    let Some(Ok(onward)) = current().map(|context| HeaderValue::try_from(context.to_string())) else { return };
    if in_headers(headers).is_none() {
        headers.remove(TRACESTATE);
    }
    headers.insert(TRACEPARENT, onward);
}

/// The caller's trace; whoever names two names none.
fn in_headers(headers: &HeaderMap) -> Option<TraceParent> {
    let value = headers.get(TRACEPARENT)?;
    let parsed = value.to_str().ok()?.parse().ok();
    parsed.filter(|_| headers.get_all(TRACEPARENT).iter().nth(1).is_none())
}

fn logged(context: &TraceParent) -> Span {
    let (trace_id, span_id) = (context.trace_id_hex(), context.span_id_hex());
    // At this level it is there whenever a line is.
    tracing::error_span!(target: LOG_TARGET, "trace", trace_id, span_id)
}
