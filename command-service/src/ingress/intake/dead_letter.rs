//! What the intake could not carry out: kept whole, with the reason, until somebody sends it again or drops it.

use async_nats::jetstream::Message;
use async_nats::{Client, HeaderMap};
use event_log::LogError;
use proto::header;
use proto::subject::{DEAD_LETTER_STREAM, dead_letter};
use runtime::problem::Problem;

use crate::outgoing::Outgoing;

const KEPT: &str = "a dead letter";

/// Keeps the message; under the id the command had, so that it is the same command when it is sent again.
pub(super) async fn keep(
    client: &Client,
    message: &Message,
    position: u64,
    id: Option<&str>,
    problem: &Problem,
) -> Result<(), LogError> {
    let mut headers = HeaderMap::new();
    let given = |name: &str| message.headers.as_ref()?.get(name).map(|value| value.as_str().to_owned());
    if let Some(id) = id.map(str::to_owned).or_else(|| given(header::COMMAND_ID)) {
        headers.insert(header::COMMAND_ID, id);
    }
    if let Some(content_type) = given(header::CONTENT_TYPE) {
        headers.insert(header::CONTENT_TYPE, content_type);
    }
    headers.insert(header::REASON, problem.code());
    headers.insert(header::DETAIL, one_line(problem.detail()));
    headers.insert(header::EXPECTED_STREAM, DEAD_LETTER_STREAM);
    // Kept once, also when the acknowledgement of the command was lost and it came again.
    headers.insert(async_nats::header::NATS_MESSAGE_ID, format!("{}-{position}", message.subject));
    let subject = dead_letter(&message.subject).into();
    let letter = Outgoing { subject, headers, payload: message.payload.clone() };
    letter.store(client).await.map_err(|fault| fault.of(KEPT))
}

/// A line end in a header would end the header.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
