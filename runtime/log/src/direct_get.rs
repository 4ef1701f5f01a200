//! Reads of single subjects by Direct Get (ADR-31 of NATS): the last commit, one commit, or all of them in pages.
//!
//! Any replica may answer, also one that lags behind: what is read is true, but newer commits may exist. The guard on append
//! makes that harmless; what rests on "nothing newer exists" asks the [`leader`](crate::leader).

use std::time::Duration;

use async_nats::{Client, Message, StatusCode};
use bytes::Bytes;
use futures_util::StreamExt as _;
use proto::subject::jetstream::Ask;
use proto::subject::{LOG_STREAM, LOG_SUBJECTS, LogSubject};
use serde_json::json;

use crate::connect::LogError;

const PAGE: usize = 256;
const PAGE_BYTES: usize = 4 * 1024 * 1024;
const TIMEOUT: Duration = Duration::from_secs(5);

/// What an error says was asked.
const SINGLE: &str = "a Direct Get";
const BATCHED: &str = "a batched Direct Get";

/// One commit as it is stored.
#[derive(Clone, Debug)]
pub struct StoredCommit {
    pub position: u64,
    pub payload: Bytes,
}

/// The last commit on a subject.
pub async fn last(client: &Client, subject: &LogSubject) -> Result<Option<StoredCommit>, LogError> {
    one(client, Ask::DirectGetLast.of_one(LOG_STREAM, &subject.to_string()), Bytes::new()).await
}

/// The commit at a position, if it is on this subject.
pub async fn at(client: &Client, subject: &LogSubject, position: u64) -> Result<Option<StoredCommit>, LogError> {
    let request = Bytes::from(json!({"seq": position, "next_by_subj": subject.to_string()}).to_string());
    let found = one(client, Ask::DirectGet.of(LOG_STREAM), request).await?;
    Ok(found.filter(|commit| commit.position == position))
}

async fn one(client: &Client, asked: String, request: Bytes) -> Result<Option<StoredCommit>, LogError> {
    ask(client, asked, request).await?.as_ref().map(|answer| stored(SINGLE, answer)).transpose()
}

async fn ask(client: &Client, asked: String, request: Bytes) -> Result<Option<Message>, LogError> {
    let answer = tokio::time::timeout(TIMEOUT, client.request(asked, request)).await;
    let answer = answer.map_err(|late| LogError::NoAnswer(SINGLE, late.into()))?;
    let answer = answer.map_err(|error| LogError::NoAnswer(SINGLE, error.into()))?;
    match answer.status.map(|status| status.as_u16()) {
        None => Ok(Some(answer)),
        Some(404) => Ok(None),
        Some(status) => Err(refused(SINGLE, &answer, status)),
    }
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

/// The first commit from `from` on, whoever's it is, and its subject.
pub async fn any(client: &Client, from: u64) -> Result<Option<(LogSubject, StoredCommit)>, LogError> {
    let request = Bytes::from(json!({"seq": from.max(1), "next_by_subj": LOG_SUBJECTS}).to_string());
    let answer = ask(client, Ask::DirectGet.of(LOG_STREAM), request).await?;
    let Some(answer) = answer else { return Ok(None) };
    let subject = answer.headers.as_ref().and_then(|headers| headers.get("Nats-Subject"));
    let subject = subject.and_then(|subject| subject.as_str().parse().ok()).ok_or(LogError::Malformed(SINGLE))?;
    Ok(Some((subject, stored(SINGLE, &answer)?)))
}

/// Appends one page of the subject's commits from `from` on, within the time limit; true when there is another one.
pub async fn page(
    client: &Client,
    subject: &LogSubject,
    from: u64,
    commits: &mut Vec<StoredCommit>,
) -> Result<bool, LogError> {
    let read = tokio::time::timeout(TIMEOUT, page_unbounded(client, subject, from, commits)).await;
    read.map_err(|late| LogError::NoAnswer(BATCHED, late.into()))?
}

async fn page_unbounded(
    client: &Client,
    subject: &LogSubject,
    from: u64,
    commits: &mut Vec<StoredCommit>,
) -> Result<bool, LogError> {
    let no_answer = |error: async_nats::Error| LogError::NoAnswer(BATCHED, error);
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await.map_err(|error| no_answer(error.into()))?;
    let request = json!({"seq": from, "batch": PAGE, "max_bytes": PAGE_BYTES, "next_by_subj": subject.to_string()});
    let asked = Ask::DirectGet.of(LOG_STREAM);
    let sent = client.publish_with_reply(asked, inbox, Bytes::from(request.to_string())).await;
    sent.map_err(|error| no_answer(error.into()))?;
    loop {
        let answer = answers.next().await.ok_or(LogError::Malformed(BATCHED))?;
        match answer.status.map(|status| status.as_u16()) {
            None => commits.push(stored(BATCHED, &answer)?),
            Some(204) => return Ok(number(&answer, "Nats-Num-Pending").unwrap_or(0) > 0),
            Some(404) => return Ok(false),
            Some(status) => return Err(refused(BATCHED, &answer, status)),
        }
    }
}

fn refused(asked: &'static str, answer: &Message, status: u16) -> LogError {
    if answer.status == Some(StatusCode::NO_RESPONDERS) {
        return LogError::Refused(asked, "the stream EVT has no leader, or does not exist".to_owned());
    }
    LogError::Refused(asked, format!("{status} {}", answer.description.as_deref().unwrap_or_default()))
}

fn stored(asked: &'static str, answer: &Message) -> Result<StoredCommit, LogError> {
    let position = number(answer, "Nats-Sequence").ok_or(LogError::Malformed(asked))?;
    Ok(StoredCommit { position, payload: answer.payload.clone() })
}

fn number(answer: &Message, header: &str) -> Option<u64> {
    answer.headers.as_ref()?.get(header)?.as_str().parse().ok()
}
