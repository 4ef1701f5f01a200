//! A published event as CloudEvents 1.0 in structured JSON, on its way to the stream `PUB`.

use async_nats::HeaderMap;
use async_nats::header::{NATS_EXPECTED_STREAM, NATS_MESSAGE_ID};
use chrono::{DateTime, SecondsFormat};
use event_log::read::LogMessage;
use proto::subject::{PUBLISHED_STREAM, PublishedSubject, Tenant};
use proto::{Commit, EventType, StoredEvent, header, token};
use serde_json::{Value, json};

use super::mapping::Form;
use crate::outgoing::Outgoing;

const CONTENT_TYPE: &str = "application/cloudevents+json";

/// The event of this commit in its published form.
pub(super) fn message(message: &LogMessage, commit: &Commit, stored: &StoredEvent, form: Form) -> Outgoing {
    let LogMessage { subject, position, trace, .. } = message;
    let Form { name, says: mut data } = form;
    if let Value::Object(data) = &mut data {
        data.insert("sealed".to_owned(), json!(sealed_fields(stored)));
    }
    let mut body = json!({
        "specversion": "1.0",
        "id": stored.id,
        "source": format!("/keepsake/{}", subject.tenant),
        "type": name,
        "subject": subject.owner.as_str(),
        "datacontenttype": "application/json",
        "tenant": subject.tenant.as_str(),
        "position": token::write(*position),
        "data": data,
    });
    if let (Value::Object(attributes), Some(time)) = (&mut body, recorded_at(commit)) {
        attributes.insert("time".to_owned(), time.into());
    }
    // The extension of CloudEvents for distributed tracing.
    if let (Value::Object(attributes), Some(trace)) = (&mut body, trace) {
        attributes.insert(header::TRACEPARENT.to_owned(), trace.to_string().into());
    }
    outgoing(&subject.tenant, name, &stored.id, body.to_string()).traced(*trace)
}

/// Told apart from every other by its id, for as long as the stream's window lasts.
pub(crate) fn outgoing(tenant: &Tenant, name: &str, id: &str, body: String) -> Outgoing {
    let mut headers = HeaderMap::new();
    headers.insert(NATS_MESSAGE_ID, id);
    headers.insert(NATS_EXPECTED_STREAM, PUBLISHED_STREAM);
    headers.insert(header::CONTENT_TYPE, CONTENT_TYPE);
    let subject = PublishedSubject::new(tenant, name).to_string();
    Outgoing { subject, headers, payload: body.into() }
}

/// The fields of every class of which something is sealed in the event. Which of a class are set is sealed with them.
fn sealed_fields(stored: &StoredEvent) -> Vec<&'static str> {
    let classes: Vec<_> = stored.sealed.iter().map(proto::SealedPart::class).collect();
    EventType::named(&stored.r#type).map(|event_type| event_type.fields_of(&classes)).unwrap_or_default()
}

fn recorded_at(commit: &Commit) -> Option<String> {
    let at = commit.recorded_at.as_ref()?;
    let at = DateTime::from_timestamp(at.seconds, u32::try_from(at.nanos).ok()?)?;
    Some(at.to_rfc3339_opts(SecondsFormat::Micros, true))
}
