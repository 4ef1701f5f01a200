//! Reads of single subjects: paged batched Direct Get, and the leader's word on the last message.
//!
//! Direct Get may be answered by a follower that lags behind; the guard on append makes that harmless. What rests on "nothing
//! newer exists" asks the leader. Source: ADR-31; measured in the reference on JetStream.

use std::time::Duration;

use async_nats::{Client, Message, StatusCode};
use bytes::Bytes;
use futures_util::StreamExt as _;
use proto::subject::{LOG_STREAM, LogSubject};
use serde::Deserialize;
use serde_json::json;

use crate::connect::LogError;

const PAGE: usize = 256;
const PAGE_BYTES: usize = 4 * 1024 * 1024;
const TIMEOUT: Duration = Duration::from_secs(5);
/// JetStream's "no message found".
const NO_MESSAGE: u64 = 10037;

/// One commit as it is stored.
#[derive(Clone, Debug)]
pub struct StoredCommit {
    pub position: u64,
    pub payload: Bytes,
}

/// Every commit on a subject from `from` on, in order.
pub async fn commits(client: &Client, subject: &LogSubject, from: u64) -> Result<Vec<StoredCommit>, LogError> {
    let mut commits: Vec<StoredCommit> = Vec::new();
    loop {
        let next = commits.last().map_or(from, |last: &StoredCommit| last.position + 1);
        let more = page(client, subject, next.max(1), &mut commits).await?;
        if !more {
            return Ok(commits);
        }
    }
}

/// Reads one page within the time limit, whatever holds it up; true when there is another one.
async fn page(
    client: &Client,
    subject: &LogSubject,
    from: u64,
    commits: &mut Vec<StoredCommit>,
) -> Result<bool, LogError> {
    let read = tokio::time::timeout(TIMEOUT, page_unbounded(client, subject, from, commits)).await;
    read.map_err(|late| LogError::NoAnswer("a batched Direct Get", late.into()))?
}

async fn page_unbounded(
    client: &Client,
    subject: &LogSubject,
    from: u64,
    commits: &mut Vec<StoredCommit>,
) -> Result<bool, LogError> {
    const ASKED: &str = "a batched Direct Get";
    let no_answer = |error: async_nats::Error| LogError::NoAnswer(ASKED, error);
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await.map_err(|error| no_answer(error.into()))?;
    let request = json!({"seq": from, "batch": PAGE, "max_bytes": PAGE_BYTES, "next_by_subj": subject.to_string()});
    let asked = format!("$JS.API.DIRECT.GET.{LOG_STREAM}");
    let sent = client.publish_with_reply(asked, inbox, Bytes::from(request.to_string())).await;
    sent.map_err(|error| no_answer(error.into()))?;
    loop {
        let answer = answers.next().await.ok_or(LogError::Malformed(ASKED))?;
        match answer.status.map(|status| status.as_u16()) {
            None => commits.push(stored(&answer)?),
            Some(204) => return Ok(number(&answer, "Nats-Num-Pending").unwrap_or(0) > 0),
            Some(404) => return Ok(false),
            Some(status) => return Err(refused(&answer, status)),
        }
    }
}

fn refused(answer: &Message, status: u16) -> LogError {
    if answer.status == Some(StatusCode::NO_RESPONDERS) {
        return LogError::Refused("a batched Direct Get", "the stream EVT has no leader, or does not exist".to_owned());
    }
    LogError::Refused("a batched Direct Get", format!("{status} {}", answer.description.as_deref().unwrap_or_default()))
}

fn stored(answer: &Message) -> Result<StoredCommit, LogError> {
    let position = number(answer, "Nats-Sequence").ok_or(LogError::Malformed("a batched Direct Get"))?;
    Ok(StoredCommit { position, payload: answer.payload.clone() })
}

fn number(answer: &Message, header: &str) -> Option<u64> {
    answer.headers.as_ref()?.get(header)?.as_str().parse().ok()
}

/// The position of the last commit on a subject as its leader knows it; 0 when there is none.
pub async fn leader_head(client: &Client, subject: &LogSubject) -> Result<u64, LogError> {
    const ASKED: &str = "the leader's last message";
    let request = Bytes::from(json!({"last_by_subj": subject.to_string()}).to_string());
    let asked = client.request(format!("$JS.API.STREAM.MSG.GET.{LOG_STREAM}"), request);
    let answer = tokio::time::timeout(TIMEOUT, asked).await.map_err(|late| LogError::NoAnswer(ASKED, late.into()))?;
    let answer = answer.map_err(|error| LogError::NoAnswer(ASKED, error.into()))?;
    match serde_json::from_slice(&answer.payload) {
        Ok(LastMessage { message: Some(Sequence { seq }), .. }) => Ok(seq),
        Ok(LastMessage { error: Some(ApiError { err_code: NO_MESSAGE, .. }), .. }) => Ok(0),
        Ok(LastMessage { error: Some(error), .. }) => Err(LogError::Refused(ASKED, error.description)),
        Ok(_) | Err(_) => Err(LogError::Malformed(ASKED)),
    }
}

#[derive(Deserialize)]
struct LastMessage {
    message: Option<Sequence>,
    error: Option<ApiError>,
}

#[derive(Deserialize)]
struct Sequence {
    seq: u64,
}

#[derive(Deserialize)]
struct ApiError {
    err_code: u64,
    description: String,
}
