//! Into the intake from the HTTP door: kept once JetStream says so.

use async_nats::{Client, HeaderMap};
use proto::header;
use proto::subject::{CommandSubject, INTAKE_STREAM};
use runtime::problem::Problem;
use runtime::trace;

use crate::appender::AppendFault;
use crate::commit::Request;
use crate::error::Fault;
use crate::outgoing::Outgoing;
use crate::verdicts::{Verdict, Verdicts};

const PUT: &str = "a durable command";

/// Keeps the command; returns when it cannot be lost any more.
pub(crate) async fn put(client: &Client, verdicts: &Verdicts, request: &Request, sender: &str) -> Result<(), Fault> {
    let Request { id, tenant, command, .. } = request;
    let (facet, name) = command.name();
    let subject = CommandSubject { tenant: tenant.as_str(), facet, command: name, owner: None }.durable();
    let mut headers = HeaderMap::new();
    headers.insert(header::COMMAND_ID, id.as_str());
    headers.insert(header::CONTENT_TYPE, "application/protobuf");
    headers.insert(header::SENDER, sender);
    headers.insert(header::EXPECTED_STREAM, INTAKE_STREAM);
    if let Some(trace) = trace::current() {
        headers.insert(header::TRACEPARENT, trace.to_string());
    }
    // Before the command itself: its verdict must not be overtaken by the news that it is pending.
    verdicts.announce(tenant, id).await?;
    let message = Outgoing { subject: subject.into(), headers, payload: command.encode().into() };
    let Err(fault) = message.store(client).await else { return Ok(()) };
    if !fault.is_refused() {
        tracing::warn!(error = &fault as &dyn std::error::Error, "whether the intake has a command is not known");
        return Err(Fault::OutcomeUnknown);
    }
    let refused = if fault.is_full() { Fault::Append(AppendFault::StorageFull) } else { Fault::Intake(fault.of(PUT)) };
    let problem = Problem::from(refused);
    // Else it would be pending for ever.
    verdicts.store(tenant, &Verdict::new(id, Err(problem.clone()))).await?;
    Err(Fault::Refused(problem))
}
