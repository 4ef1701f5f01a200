//! The steps behind the log that are recorded, by the semantic conventions of OpenTelemetry.
//!
//! Many commits go together, so a step is linked with the trace of each; it belongs to one when there is no other.

use event_log::read::LogMessage;
use proto::TraceParent;
use proto::subject::LOG_STREAM;
use runtime::trace::{self, TARGET};
use tracing::Span;
use tracing::field::Empty;

use crate::fold::Folded;
use crate::lane::Lane;

/// As many links as an SDK lets a span have unless told otherwise.
const MOST: usize = 128;

/// The recorded traces that led to a batch.
#[derive(Default)]
pub(crate) struct Causes(Vec<TraceParent>);

impl Causes {
    pub(crate) fn of(commits: &[LogMessage]) -> Self {
        let mut causes = Self::default();
        for commit in commits {
            causes.add(commit);
        }
        causes
    }

    pub(crate) fn add(&mut self, commit: &LogMessage) {
        let recorded = commit.trace.filter(TraceParent::is_sampled);
        if let Some(trace) = recorded.filter(|_| self.0.len() < MOST) {
            self.0.push(trace);
        }
    }
}

/// Rows written in one transaction.
pub(crate) fn batch(lane: Lane, folded: &Folded) -> Span {
    let step = || {
        tracing::debug_span!(
            target: TARGET,
            "fold",
            otel.name = format_args!("process {LOG_STREAM}"),
            otel.kind = "consumer",
            otel.status_code = Empty,
            messaging.system = "nats",
            messaging.operation.name = "process",
            messaging.operation.type = "process",
            messaging.destination.name = LOG_STREAM,
            messaging.batch.message_count = folded.commits,
            keepsake.lane = %lane,
            keepsake.position.first = folded.first,
            keepsake.position.last = folded.last,
        )
    };
    trace::step_of(&folded.causes.0, step)
}

/// What an errand sends about commits up to a position.
pub(crate) fn errand(name: &str, causes: &Causes, messages: usize, last: i64) -> Span {
    let step = || {
        tracing::debug_span!(
            target: TARGET,
            "errand",
            otel.name = format_args!("send {name}"),
            otel.kind = "producer",
            otel.status_code = Empty,
            messaging.system = "nats",
            messaging.operation.name = "send",
            messaging.operation.type = "send",
            messaging.batch.message_count = messages,
            keepsake.errand = name,
            keepsake.position.last = last,
        )
    };
    if messages == 0 { Span::none() } else { trace::step_of(&causes.0, step) }
}

/// Whether it was done.
pub(crate) fn ended<T, E>(span: &Span, outcome: Result<T, E>) -> Result<T, E> {
    if outcome.is_err() {
        span.record("otel.status_code", "ERROR");
    }
    outcome
}
