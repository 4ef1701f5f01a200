//! The word of the stream's leader on single subjects: slower than Direct Get, and never behind an acknowledgement.

use std::time::Duration;

use async_nats::Client;
use bytes::Bytes;
use data_encoding::BASE64;
use proto::subject::jetstream::Ask;
use proto::subject::{LOG_STREAM, LogSubject};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::connect::LogError;
use crate::direct_get::StoredCommit;

const TIMEOUT: Duration = Duration::from_secs(5);
/// JetStream's "no message found".
const NO_MESSAGE: u64 = 10037;
const ASKED: &str = "the stream's leader";

/// The position of the last commit on a subject; 0 when there is none.
pub async fn head(client: &Client, subject: &LogSubject) -> Result<u64, LogError> {
    let message = ask(client, LOG_STREAM, &json!({"last_by_subj": subject.to_string()})).await?;
    Ok(message.map_or(0, |message| message.seq))
}

/// The first commit on a subject at `from` or after it.
pub async fn next(client: &Client, subject: &LogSubject, from: u64) -> Result<Option<StoredCommit>, LogError> {
    stored(ask(client, LOG_STREAM, &json!({"seq": from, "next_by_subj": subject.to_string()})).await?)
}

/// The commit at a position, if it is on this subject.
pub async fn at(client: &Client, subject: &LogSubject, position: u64) -> Result<Option<StoredCommit>, LogError> {
    Ok(next(client, subject, position).await?.filter(|commit| commit.position == position))
}

/// A message as the server keeps it, headers and all: also one that no client would take off the wire.
#[derive(Debug)]
pub struct KeptMessage {
    pub position: u64,
    pub subject: String,
    /// The header block as it was sent; empty when there is none.
    pub headers: Vec<u8>,
    pub payload: Bytes,
}

/// The first message of any stream at `from` or after it, on a subject that `filter` takes.
pub async fn kept(client: &Client, stream: &str, from: u64, filter: &str) -> Result<Option<KeptMessage>, LogError> {
    let Some(message) = ask(client, stream, &json!({"seq": from, "next_by_subj": filter})).await? else {
        return Ok(None);
    };
    let RawMessage { seq: position, subject, hdrs, data } = message;
    Ok(Some(KeptMessage { position, subject, headers: decode(&hdrs)?, payload: decode(&data)?.into() }))
}

fn stored(message: Option<RawMessage>) -> Result<Option<StoredCommit>, LogError> {
    let Some(RawMessage { seq, data, .. }) = message else { return Ok(None) };
    Ok(Some(StoredCommit { position: seq, payload: decode(&data)?.into() }))
}

fn decode(base64: &str) -> Result<Vec<u8>, LogError> {
    BASE64.decode(base64.as_bytes()).map_err(|_| LogError::Malformed(ASKED))
}

async fn ask(client: &Client, stream: &str, request: &Value) -> Result<Option<RawMessage>, LogError> {
    let asked = client.request(Ask::MessageGet.of(stream), Bytes::from(request.to_string()));
    let answer = tokio::time::timeout(TIMEOUT, asked).await.map_err(|late| LogError::NoAnswer(ASKED, late.into()))?;
    let answer = answer.map_err(|error| LogError::NoAnswer(ASKED, error.into()))?;
    match serde_json::from_slice(&answer.payload) {
        Ok(Answer { message: Some(message), .. }) => Ok(Some(message)),
        Ok(Answer { error: Some(ApiError { err_code: NO_MESSAGE, .. }), .. }) => Ok(None),
        Ok(Answer { error: Some(error), .. }) => Err(LogError::Refused(ASKED, error.description)),
        Ok(_) | Err(_) => Err(LogError::Malformed(ASKED)),
    }
}

#[derive(Deserialize)]
struct Answer {
    message: Option<RawMessage>,
    error: Option<ApiError>,
}

#[derive(Deserialize)]
struct RawMessage {
    seq: u64,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    hdrs: String,
    #[serde(default)]
    data: String,
}

#[derive(Deserialize)]
struct ApiError {
    err_code: u64,
    description: String,
}
