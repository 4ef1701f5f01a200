//! Sends commands over NATS and reads what became of them.

use std::time::Duration;

use async_nats::{Client, HeaderMap, RequestErrorKind};
use bytes::Bytes;
use proto::header;
use serde::{Deserialize, Serialize};

/// Longer than command-service takes to say that it does not know.
pub const PATIENT: Duration = Duration::from_secs(15);
/// Longest command id that command-service takes.
const MAX_ID_BYTES: usize = 255;

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
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
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

/// The headers of a command under this id; a problem when command-service would not take the id.
///
/// Asked here because a line end in a header is no header at all: the client would panic.
pub fn headers(id: Option<&str>) -> Result<HeaderMap, Problem> {
    let mut headers = HeaderMap::new();
    match id {
        Some(id) if !is_valid(id) => return Err(id_invalid()),
        Some(id) => headers.insert(header::COMMAND_ID, id),
        None => {}
    }
    Ok(headers)
}

fn is_valid(id: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

fn id_invalid() -> Problem {
    Problem {
        code: "idempotency_key_invalid".to_owned(),
        detail: format!("a command id is 1 to {MAX_ID_BYTES} printable ASCII characters without spaces"),
        retryable: false,
        outcome: "not_applied".to_owned(),
    }
}

/// Sends one command as a request and waits for its answer; `id` makes a retry the same command.
pub async fn send(client: &Client, subject: &str, id: Option<&str>, json: Bytes, wait: Duration) -> Outcome {
    let headers = match headers(id) {
        Ok(headers) => headers,
        Err(problem) => {
            let body = serde_json::to_vec(&problem).unwrap_or_default();
            return Outcome::Refused { problem, body: Bytes::from(body) };
        }
    };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_is_no_header_is_a_problem() {
        for id in ["", "m10\n", "a\r\nb", "a b", "é", &"x".repeat(256)] {
            assert_eq!(headers(Some(id)).expect_err(id).code, "idempotency_key_invalid");
        }
        assert!(headers(Some(&"x".repeat(255))).is_ok() && headers(None).is_ok());
    }
}
