//! The spans of a process that sends its traces to a collector.

use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::TraceParent;

static RECORDED: AtomicBool = AtomicBool::new(false);

/// From now on every request has a trace.
pub(crate) fn begin() {
    RECORDED.store(true, Ordering::Relaxed);
}

pub(super) fn are_recorded() -> bool {
    RECORDED.load(Ordering::Relaxed)
}

/// Makes the span a part of the one trace there is, or links it with all of them.
pub(super) fn follow(span: &Span, causes: &[TraceParent]) {
    match causes {
        [] => {}
        [cause] => {
            let parent = Context::new().with_remote_span_context(remote(cause));
            let _nothing_records_it = span.set_parent(parent);
        }
        causes => causes.iter().for_each(|cause| span.add_link(remote(cause))),
    }
}

/// What goes on from this span; none when nothing records it.
pub(super) fn context(span: &Span) -> Option<TraceParent> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    let context = context.span().span_context().clone();
    TraceParent::new(context.trace_id().to_bytes(), context.span_id().to_bytes(), context.trace_flags().to_u8())
}

/// A span that has begun takes no other name as a field.
pub(super) fn rename(span: &Span, name: String) {
    if !span.is_disabled() {
        span.context().span().update_name(name);
    }
}

fn remote(cause: &TraceParent) -> SpanContext {
    let (trace_id, span_id) = (TraceId::from_bytes(cause.trace_id()), SpanId::from_bytes(cause.span_id()));
    SpanContext::new(trace_id, span_id, TraceFlags::new(cause.flags()), true, TraceState::NONE)
}
