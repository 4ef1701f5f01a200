//! The steps of a command that are recorded, by the semantic conventions of OpenTelemetry: nothing a caller said is in them, but for
//! the tenant.

use proto::Reply;
use proto::subject::{COMMAND_SUBJECTS, INTAKE_SUBJECTS, LOG_STREAM};
use runtime::trace::TARGET;
use tracing::Span;
use tracing::field::Empty;

use crate::appender::{AppendFault, Appended};
use crate::commit::Request;
use crate::error::Fault;

/// A command as it came to the NATS door.
pub(crate) fn request() -> Span {
    received(COMMAND_SUBJECTS)
}

/// A command of the intake.
pub(crate) fn durable() -> Span {
    received(INTAKE_SUBJECTS)
}

fn received(subjects: &'static str) -> Span {
    tracing::debug_span!(
        target: TARGET,
        "process",
        otel.name = format_args!("process {subjects}"),
        otel.kind = "consumer",
        messaging.system = "nats",
        messaging.operation.name = "process",
        messaging.operation.type = "process",
        messaging.destination.template = subjects,
        error.type = Empty,
    )
}

/// One carrying-out of a command.
pub(crate) fn command(request: &Request) -> Span {
    let (facet, command) = request.command.name();
    tracing::debug_span!(
        target: TARGET,
        "command",
        otel.name = format_args!("command {facet}.{command}"),
        otel.status_code = Empty,
        keepsake.command = format_args!("{facet}.{command}"),
        keepsake.tenant = request.tenant.as_str(),
        keepsake.outcome = Empty,
    )
}

/// How it ended: what was done, or which refusal.
pub(crate) fn carried_out(span: &Span, outcome: Result<&Reply, &Fault>) {
    if span.is_disabled() {
        return;
    }
    match outcome {
        Ok(reply) if reply.replayed => span.record("keepsake.outcome", "replayed"),
        Ok(reply) if reply.events.is_empty() => span.record("keepsake.outcome", "unchanged"),
        Ok(_) => span.record("keepsake.outcome", "accepted"),
        Err(Fault::Rejected(rejection)) => span.record("keepsake.outcome", rejection.code()),
        Err(Fault::Refused(problem)) => span.record("keepsake.outcome", problem.code()),
        Err(_) => span.record("keepsake.outcome", "failed").record("otel.status_code", "ERROR"),
    };
}

/// From the queue of the appender to the log's word.
pub(crate) fn append() -> Span {
    tracing::debug_span!(
        target: TARGET,
        "send",
        otel.name = format_args!("send {LOG_STREAM}"),
        otel.kind = "producer",
        otel.status_code = Empty,
        messaging.system = "nats",
        messaging.operation.name = "send",
        messaging.operation.type = "send",
        messaging.destination.name = LOG_STREAM,
        messaging.batch.message_count = Empty,
        keepsake.position = Empty,
    )
}

/// With how many others it went.
pub(crate) fn batched(span: &Span, commits: usize) {
    span.record("messaging.batch.message_count", commits);
}

/// What the log said.
pub(crate) fn appended(span: &Span, outcome: Result<&Appended, &AppendFault>) {
    match outcome {
        Ok(Appended::At(position)) => span.record("keepsake.position", position),
        // It is decided again, or read back.
        Ok(Appended::Conflict(_) | Appended::Unclear) => span,
        Err(_) => span.record("otel.status_code", "ERROR"),
    };
}
