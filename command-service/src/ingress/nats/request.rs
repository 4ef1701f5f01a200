//! From a message to the command it carries. Of its headers only ours are looked at, and none is passed on.

use async_nats::{HeaderName, Message};
use chrono::{DateTime, Utc};
use proto::header;
use proto::subject::inbox::is_inbox;
use proto::subject::{CommandSubject, Tenant};
use runtime::problem::Problem;
use vault::audit::Actor;

use crate::commit::Request;
use crate::deadline::Deadline;
use crate::ingress::decode::{self, Encoding};

const COMMAND_ID: HeaderName = HeaderName::from_static(header::COMMAND_ID);
const CONTENT_TYPE: HeaderName = HeaderName::from_static(header::CONTENT_TYPE);
const SENDER: HeaderName = HeaderName::from_static(header::SENDER);
const TIMEOUT_MS: HeaderName = HeaderName::from_static(header::TIMEOUT_MS);

/// Whether nobody waits for the answer, or somebody at an inbox does. Whoever answers any other subject publishes into it with
/// this service's rights: the log's among them.
pub(crate) fn may_be_answered(message: &Message) -> bool {
    message.reply.as_ref().is_none_or(|reply| is_inbox(reply))
}

pub(crate) fn encoding(message: &Message) -> Encoding {
    let protobuf =
        |value: &str| value.starts_with("application/protobuf") || value.starts_with("application/x-protobuf");
    if header(message, &CONTENT_TYPE).is_some_and(protobuf) { Encoding::Protobuf } else { Encoding::Json }
}

/// The command of a message that came at this time; `unnamed` makes the id of one that has none.
pub(crate) fn read(
    message: &Message,
    received_at: DateTime<Utc>,
    unnamed: impl FnOnce() -> String,
) -> Result<Box<Request>, Problem> {
    let malformed =
        || Problem::bad_request("malformed_command", "a command goes to cmd.<tenant>.<facet>.<command>[.<owner>]");
    let subject = CommandSubject::parse(&message.subject).map_err(|_| malformed())?;
    let id = header(message, &COMMAND_ID);
    let id = id.map_or_else(|| Ok(unnamed()), |id| decode::command_id(id.as_bytes()))?;
    Ok(Box::new(Request {
        tenant: tenant(&subject)?,
        id,
        sender: Actor::on_nats(),
        command: decode::command(subject.facet, subject.command, encoding(message), &message.payload)?,
        received_at,
        owner: subject.owner.map(str::to_owned),
        precondition: None,
        correlation_id: None,
        deadline: None,
    }))
}

/// Who is said to have sent it.
pub(crate) fn sender(message: &Message) -> Option<&str> {
    header(message, &SENDER)
}

/// How long its sender waits.
pub(crate) fn deadline(message: &Message) -> Result<Option<Deadline>, Problem> {
    header(message, &TIMEOUT_MS).map(Deadline::from_header).transpose()
}

/// Whom the verdict on a message concerns, also when the message is no command: a tenant, and the id it gave.
pub(crate) fn addressee(message: &Message, request: Result<&Request, &Problem>) -> Option<(Tenant, String)> {
    if let Ok(Request { tenant, id, .. }) = request {
        return Some((tenant.clone(), id.clone()));
    }
    let tenant = tenant(&CommandSubject::parse(&message.subject).ok()?).ok()?;
    let id = decode::command_id(header(message, &COMMAND_ID)?.as_bytes()).ok()?;
    Some((tenant, id))
}

fn tenant(subject: &CommandSubject<'_>) -> Result<Tenant, Problem> {
    let tenant: Option<Tenant> = subject.tenant.parse().ok();
    tenant.filter(|tenant| !tenant.is_system()).ok_or_else(|| {
        Problem::bad_request("tenant_invalid", "a tenant is 1 to 64 characters of A-Z, a-z, 0-9, _ and -")
    })
}

fn header<'a>(message: &'a Message, name: &HeaderName) -> Option<&'a str> {
    Some(message.headers.as_ref()?.get(name.clone())?.as_str())
}
