//! Several messages to one stream, all stored or none (ADR-50 of NATS).

use async_nats::{Client, HeaderMap, Message, PublishError, RequestError, header};
use runtime::clock;

use crate::outgoing::Outgoing;

/// Why a batch got no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BatchFault {
    /// The message that asks for the batch to be stored was not sent, so it is not.
    #[error("a batch was not sent")]
    Unsent(#[source] PublishError),
    #[error("a batch was not answered")]
    Unanswered(#[source] RequestError),
}

/// Publishes a batch of at most 1,000 messages. `last` alone asks for an answer, and that is the batch's.
pub(crate) async fn publish(client: &Client, first: Vec<Outgoing>, last: Outgoing) -> Result<Message, BatchFault> {
    let id = clock::ordered_id().simple().to_string();
    let count = first.len() + 1;
    for (sequence, Outgoing { subject, mut headers, payload }) in (1_usize..).zip(first) {
        number(&mut headers, &id, sequence);
        client.publish_with_headers(subject, headers, payload).await.map_err(BatchFault::Unsent)?;
    }
    let Outgoing { subject, mut headers, payload } = last;
    number(&mut headers, &id, count);
    headers.insert(header::NATS_BATCH_COMMIT, header::NATS_BATCH_COMMIT_FINAL);
    client.request_with_headers(subject, headers, payload).await.map_err(BatchFault::Unanswered)
}

fn number(headers: &mut HeaderMap, id: &str, sequence: usize) {
    headers.insert(header::NATS_BATCH_ID, id);
    headers.insert(header::NATS_BATCH_SEQUENCE, sequence.to_string());
}
