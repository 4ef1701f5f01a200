//! Messages to a stream beside the log, and the stream's word that it keeps them.
//!
//! Several go as one atomic batch (ADR-50 of NATS): all or none, in order, and with one fsync. A batch that is refused, or not
//! answered, goes message by message, each after the one before is kept: so no message overtakes another, whatever fails when.

use async_nats::{Client, HeaderMap, RequestErrorKind, header, jetstream};
use bytes::Bytes;
use proto::TraceParent;
use runtime::clock;
use serde_json::Value;

use crate::error::Fault;

/// The server takes 1,000 messages in a batch.
const BATCH: usize = 500;
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// A message on its way to a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outgoing {
    pub(crate) subject: String,
    pub(crate) headers: HeaderMap,
    pub(crate) payload: Bytes,
}

impl Outgoing {
    /// Of the same trace as what led to it.
    #[must_use]
    pub(crate) fn traced(mut self, trace: Option<TraceParent>) -> Self {
        if let Some(trace) = trace {
            self.headers.insert(proto::header::TRACEPARENT, trace.to_string());
        }
        self
    }
}

/// Returns once the stream keeps all of them. After an error some may be kept: whoever sends them again relies on their ids.
pub(crate) async fn store(client: &Client, messages: &[Outgoing]) -> Result<(), Fault> {
    let mut rest = messages;
    while !rest.is_empty() {
        let (batch, others) = rest.split_at(fitting(rest));
        if let [one] = batch {
            store_one(client, one).await?;
        } else if let Err(fault) = store_together(client, batch).await {
            tracing::debug!(error = %fault, messages = batch.len(), "a batch is sent message by message");
            for message in batch {
                store_one(client, message).await?;
            }
        }
        rest = others;
    }
    Ok(())
}

/// How many of them fit into a batch; at least one.
fn fitting(messages: &[Outgoing]) -> usize {
    let mut bytes = 0;
    let fits = |message: &&Outgoing| {
        bytes += message.payload.len();
        bytes <= BATCH_BYTES
    };
    messages.iter().take(BATCH).take_while(fits).count().max(1)
}

async fn store_one(client: &Client, message: &Outgoing) -> Result<(), Fault> {
    let Outgoing { subject, headers, payload } = message.clone();
    let answer = client.request_with_headers(subject.clone(), headers, payload).await;
    acknowledged(&subject, answer, None)
}

async fn store_together(client: &Client, batch: &[Outgoing]) -> Result<(), Fault> {
    let Some((last, first)) = batch.split_last() else { return Ok(()) };
    let id = clock::ordered_id().simple().to_string();
    for (sequence, message) in (1_usize..).zip(first) {
        let Outgoing { subject, mut headers, payload } = message.clone();
        number(&mut headers, &id, sequence);
        let unsent = |error: async_nats::PublishError| not_kept(&subject, error.to_string());
        client.publish_with_headers(subject.clone(), headers, payload).await.map_err(unsent)?;
    }
    let Outgoing { subject, mut headers, payload } = last.clone();
    number(&mut headers, &id, batch.len());
    headers.insert(header::NATS_BATCH_COMMIT, header::NATS_BATCH_COMMIT_FINAL);
    let answer = client.request_with_headers(subject.clone(), headers, payload).await;
    acknowledged(&subject, answer, Some(batch.len()))
}

fn number(headers: &mut HeaderMap, id: &str, sequence: usize) {
    headers.insert(header::NATS_BATCH_ID, id);
    headers.insert(header::NATS_BATCH_SEQUENCE, sequence.to_string());
}

/// `batch` is how many messages it must be the acknowledgement of: a server that knows no batches acknowledges the last one alone.
fn acknowledged(
    subject: &str,
    answer: Result<async_nats::Message, async_nats::RequestError>,
    batch: Option<usize>,
) -> Result<(), Fault> {
    let answer = answer.map_err(|error| {
        let no_stream = error.kind() == RequestErrorKind::NoResponders;
        let why = if no_stream { "no stream takes it: run `keepsake migrate`".to_owned() } else { error.to_string() };
        not_kept(subject, why)
    })?;
    read(&answer.payload, batch).map_err(|why| not_kept(subject, why))
}

/// Reads a stream's acknowledgement; a duplicate is kept already.
fn read(answer: &[u8], batch: Option<usize>) -> Result<(), String> {
    let none = || "the answer is no acknowledgement".to_owned();
    let answer: Value = serde_json::from_slice(answer).map_err(|_| none())?;
    if let Some(error) = answer.get("error") {
        let error: Result<jetstream::Error, _> = serde_json::from_value(error.clone());
        return Err(error.map_or_else(|_| none(), |error| error.to_string()));
    }
    let together = answer.get("count").and_then(Value::as_u64);
    if batch.is_some_and(|messages| together != Some(messages as u64)) {
        return Err("the server did not take the messages as one batch".to_owned());
    }
    answer.get("seq").and_then(Value::as_u64).filter(|sequence| *sequence > 0).map(drop).ok_or_else(none)
}

fn not_kept(subject: &str, why: String) -> Fault {
    Fault::NotKept { subject: subject.to_owned(), why }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(bytes: usize) -> Outgoing {
        Outgoing { subject: "pub.a.b".to_owned(), headers: HeaderMap::new(), payload: vec![0; bytes].into() }
    }

    #[test]
    fn a_batch_is_bounded_in_messages_and_in_bytes() {
        assert_eq!(fitting(&vec![message(1); BATCH + 1]), BATCH);
        assert_eq!(fitting(&[message(BATCH_BYTES - 1), message(1), message(1)]), 2);
        assert_eq!(fitting(&[message(BATCH_BYTES + 1), message(1)]), 1);
    }

    #[test]
    fn only_a_number_in_the_stream_is_an_acknowledgement() {
        assert_eq!(read(br#"{"stream":"PUB","seq":7}"#, None), Ok(()));
        assert_eq!(read(br#"{"stream":"PUB","seq":7,"duplicate":true}"#, None), Ok(()));
        for answer in ["", "{}", r#"{"stream":"PUB","seq":0}"#] {
            assert_eq!(read(answer.as_bytes(), None), Err("the answer is no acknowledgement".to_owned()), "{answer}");
        }
        let together = br#"{"stream":"PUB","seq":7,"batch":"b","count":3}"#;
        assert_eq!([read(together, Some(3)).is_ok(), read(together, Some(4)).is_ok()], [true, false]);
        let full = br#"{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"}}"#;
        assert!(read(full, None).is_err_and(|why| why.contains("maximum bytes exceeded")));
    }
}
