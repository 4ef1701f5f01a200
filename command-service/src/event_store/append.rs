//! One guarded publish. Codes: reference on JetStream, §1 and §3.

use std::time::Duration;

use async_nats::{Client, HeaderMap, RequestErrorKind};
use bytes::Bytes;
use prost::Message as _;
use proto::subject::{LOG_STREAM, LogSubject};
use proto::{Commit, header};
use serde::Deserialize;

use crate::error::Fault;

/// Longer than the client waits for an answer by itself.
const TIMEOUT: Duration = Duration::from_secs(6);
/// Wrong last sequence; on one server also the answer to a retry of a stored message.
const WRONG_LAST_SEQUENCE: u64 = 10071;
/// Wrong last sequence while another publish on the subject is under way.
const WRONG_LAST_SEQUENCE_IN_FLIGHT: u64 = 10164;
/// The stream's limits are reached.
const MAXIMUM_MESSAGES: u64 = 10077;
/// The account's or the server's storage is used up.
const INSUFFICIENT_RESOURCES: [u64; 2] = [10023, 10047];

/// What became of an append.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Appended {
    /// Stored at this position, and as durable as the log is.
    At(u64),
    /// Somebody else's commit, or our own under an earlier try, came first.
    Conflict,
    /// No answer: stored or not, only reading back can tell.
    Unclear,
}

pub(super) async fn append(
    client: &Client,
    subject: &LogSubject,
    expected: u64,
    commit: &Commit,
) -> Result<Appended, Fault> {
    let payload = Bytes::from(commit.encode_to_vec());
    let sent = client.request_with_headers(subject.to_string(), headers(expected, commit), payload);
    match tokio::time::timeout(TIMEOUT, sent).await {
        // Also while the client's own queue is full: the message may be in it.
        Err(_) => Ok(Appended::Unclear),
        Ok(Ok(answer)) => settle(&answer.payload),
        Ok(Err(error)) => match error.kind() {
            RequestErrorKind::TimedOut | RequestErrorKind::NoResponders | RequestErrorKind::Other => {
                Ok(Appended::Unclear)
            }
            RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded => {
                Err(Fault::AppendRefused(error.to_string()))
            }
        },
    }
}

fn headers(expected: u64, commit: &Commit) -> HeaderMap {
    let types: Vec<&str> = commit.events.iter().map(|event| event.r#type.as_str()).collect();
    let mut headers = HeaderMap::new();
    headers.insert(header::EXPECTED_LAST_SUBJECT_SEQUENCE, expected.to_string());
    headers.insert(header::EXPECTED_STREAM, LOG_STREAM);
    headers.insert(header::COMMAND_ID, commit.command_id.as_str());
    headers.insert(header::EVENTS, types.join(","));
    headers
}

fn settle(answer: &[u8]) -> Result<Appended, Fault> {
    let Ok(ack) = serde_json::from_slice::<PubAck>(answer) else {
        return Ok(Appended::Unclear);
    };
    match ack {
        // A refusal names the stream too, with sequence 0: the error decides.
        PubAck { error: Some(error), .. } => match error.err_code {
            WRONG_LAST_SEQUENCE | WRONG_LAST_SEQUENCE_IN_FLIGHT => Ok(Appended::Conflict),
            code if code == MAXIMUM_MESSAGES || INSUFFICIENT_RESOURCES.contains(&code) => Err(Fault::StorageFull),
            code if error.code == 503 => {
                tracing::warn!(nats.err_code = code, "the log cannot take a commit now");
                Ok(Appended::Unclear)
            }
            code => Err(Fault::AppendRefused(format!("{code} {}", error.description))),
        },
        PubAck { seq: Some(position @ 1..), stream: Some(stream), .. } if stream == LOG_STREAM => {
            Ok(Appended::At(position))
        }
        PubAck { .. } => Err(Fault::AppendRefused("another stream took the commit".to_owned())),
    }
}

#[derive(Deserialize)]
struct PubAck {
    stream: Option<String>,
    seq: Option<u64>,
    error: Option<ApiError>,
}

#[derive(Deserialize)]
struct ApiError {
    code: u16,
    err_code: u64,
    #[serde(default)]
    description: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_of_the_stream_has_one_meaning() {
        let settled = |answer: &str| settle(answer.as_bytes()).map_err(|fault| fault.to_string());
        assert_eq!(settled(r#"{"stream":"EVT","seq":7}"#), Ok(Appended::At(7)));
        let error = |code: u16, err_code: u64| {
            format!(r#"{{"error":{{"code":{code},"err_code":{err_code},"description":"x"}},"stream":"EVT","seq":0}}"#)
        };
        assert_eq!(settled(&error(400, 10071)), Ok(Appended::Conflict));
        assert_eq!(settled(&error(400, 10164)), Ok(Appended::Conflict));
        assert_eq!(settled(&error(503, 10077)), Err(Fault::StorageFull.to_string()));
        assert_eq!(settled(&error(503, 10076)), Ok(Appended::Unclear));
        assert!(settled(r#"{"stream":"OTHER","seq":7}"#).is_err() && settled(r#"{"stream":"EVT","seq":0}"#).is_err());
        assert_eq!(settled("+OK"), Ok(Appended::Unclear));
    }
}
