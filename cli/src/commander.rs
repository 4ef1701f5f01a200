//! Sends commands over NATS and reads what became of them.

use std::time::Duration;

use async_nats::{Client, HeaderMap, RequestErrorKind};
use bytes::Bytes;
use proto::header;
use serde::Deserialize;

/// Longer than command-service takes to say that it does not know.
pub const PATIENT: Duration = Duration::from_secs(15);

/// What a command's sender is told.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Carried out: the reply as JSON.
    Accepted(Bytes),
    /// Refused: the problem as JSON.
    Refused { problem: Problem, body: Bytes },
    /// Nobody answered; the command may have been carried out.
    NoAnswer(&'static str),
}

/// The parts of a problem a program looks at.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Problem {
    #[serde(default)]
    pub code: String,
    #[serde(default)]
    pub detail: String,
    #[serde(default)]
    pub retryable: bool,
    #[serde(default)]
    pub outcome: String,
}

impl Problem {
    /// Whether the same command under the same id may still be carried out.
    pub fn is_worth_retrying(&self) -> bool {
        self.retryable || self.outcome == "unknown" || self.code == "version_conflict"
    }
}

/// Sends one command as a request and waits for its answer; `id` makes a retry the same command.
pub async fn send(client: &Client, subject: &str, id: Option<&str>, json: Bytes, wait: Duration) -> Outcome {
    let mut headers = HeaderMap::new();
    if let Some(id) = id {
        headers.insert(header::COMMAND_ID, id);
    }
    let request = async_nats::Request::new().headers(headers).payload(json).timeout(Some(wait));
    match client.send_request(subject.to_owned(), request).await {
        Ok(reply) if is_refusal(&reply) => {
            let problem = serde_json::from_slice(&reply.payload).unwrap_or_default();
            Outcome::Refused { problem, body: reply.payload }
        }
        Ok(reply) => Outcome::Accepted(reply.payload),
        Err(error) => Outcome::NoAnswer(match error.kind() {
            RequestErrorKind::NoResponders => "no command-service is running",
            RequestErrorKind::TimedOut => "command-service did not answer in time",
            RequestErrorKind::InvalidSubject => "that is no subject a command can be sent to",
            RequestErrorKind::MaxPayloadExceeded => "the command is larger than NATS takes",
            RequestErrorKind::Other => "the connection to NATS broke",
        }),
    }
}

fn is_refusal(reply: &async_nats::Message) -> bool {
    reply.headers.as_ref().is_some_and(|headers| headers.get(header::SERVICE_ERROR_CODE).is_some())
}
