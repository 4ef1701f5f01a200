//! The two ways a commit reaches the log: a guarded publish, and an atomic batch of them.

use std::time::Duration;

use async_nats::{Client, RequestError, RequestErrorKind};
use tokio::time::Instant;

use super::Ended;
use super::answer::{self, Answer, AppendFault, Appended};
use super::entry::Entry;
use super::waiting::Unit;
use crate::atomic_batch::{self, BatchFault};
use crate::outgoing::Outgoing;
use crate::spans;

/// Longer than the client waits for an answer by itself.
const TIMEOUT: Duration = Duration::from_secs(6);

/// The log stored nothing of a batch; its units are to be tried by themselves.
pub(super) struct Refused(pub(super) Vec<Unit>);

/// Publishes one unit and answers its caller.
pub(super) async fn single(client: Client, unit: Unit) -> Ended {
    spans::batched(&unit.span, unit.commits.len());
    let outcome = match publish(&client, &unit.commits.iter().collect::<Vec<_>>()).await {
        Answer::Outcome(outcome) => outcome,
        // Nothing was stored, but that is for reading back to say.
        Answer::BatchRefused => Ok(Appended::Unclear),
    };
    let acknowledged = matches!(outcome, Ok(Appended::At(_)));
    unit.answer(outcome);
    Ended::Single { acknowledged }
}

/// Publishes many units as one batch, and answers the callers unless the log refused it.
pub(super) async fn batch(client: Client, units: Vec<Unit>) -> Ended {
    let began = Instant::now();
    let commits: Vec<&Entry> = units.iter().flat_map(|unit| &unit.commits).collect();
    let count = commits.len();
    for unit in &units {
        spans::batched(&unit.span, count);
    }
    let answer = publish(&client, &commits).await;
    let outcome = match answer {
        Answer::Outcome(Ok(Appended::At(last))) => {
            let mut position = last - count as u64;
            for unit in units {
                position += unit.commits.len() as u64;
                unit.answer(Ok(Appended::At(position)));
            }
            Ok(true)
        }
        Answer::Outcome(Ok(Appended::Unclear)) => {
            for unit in units {
                unit.answer(Ok(Appended::Unclear));
            }
            Ok(false)
        }
        // One guard of many did not hold, or the batch as such was not taken: each commit finds out by itself.
        Answer::Outcome(Ok(Appended::Conflict(_)) | Err(_)) | Answer::BatchRefused => Err(Refused(units)),
    };
    Ended::Batch { commits: count, began, outcome }
}

async fn publish(client: &Client, commits: &[&Entry]) -> Answer {
    let sent = async {
        match commits {
            [commit] => ask(client, commit).await,
            [] => Answer::Outcome(Err(AppendFault::Refused("an append of nothing".to_owned()))),
            [first @ .., last] => send_batch(client, first, last).await,
        }
    };
    // Also while the client's own queue is full: the messages may be in it.
    tokio::time::timeout(TIMEOUT, sent).await.unwrap_or(Answer::Outcome(Ok(Appended::Unclear)))
}

async fn send_batch(client: &Client, first: &[&Entry], last: &Entry) -> Answer {
    let first: Vec<Outgoing> = first.iter().map(|entry| entry.message()).collect();
    let commits = first.len() + 1;
    match atomic_batch::publish(client, first, last.message()).await {
        Ok(answer) => answer::read(&answer.payload, commits),
        Err(BatchFault::Unsent(error)) => Answer::Outcome(Err(AppendFault::Refused(error.to_string()))),
        Err(BatchFault::Unanswered(error)) => unanswered(&error),
    }
}

async fn ask(client: &Client, entry: &Entry) -> Answer {
    let Outgoing { subject, headers, payload } = entry.message();
    match client.request_with_headers(subject, headers, payload).await {
        Ok(answer) => answer::read(&answer.payload, 1),
        Err(error) => unanswered(&error),
    }
}

fn unanswered(error: &RequestError) -> Answer {
    Answer::Outcome(match error.kind() {
        RequestErrorKind::TimedOut | RequestErrorKind::NoResponders | RequestErrorKind::Other => Ok(Appended::Unclear),
        RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded => {
            Err(AppendFault::Refused(error.to_string()))
        }
    })
}
