//! Many messages as one atomic batch of a stream. Source: ADR-50.

use anyhow::bail;
use async_nats::header::{self, NATS_BATCH_COMMIT_FINAL};
use async_nats::{Client, Message};

use crate::contestant::Request;

/// As many as one batch may hold.
pub(crate) const BATCH: usize = 1_000;

/// Stores these together; answers what the stream said.
pub(crate) async fn store(client: &Client, requests: impl IntoIterator<Item = Request>) -> anyhow::Result<Message> {
    let id = runtime::clock::random_id().simple().to_string();
    let mut requests = requests.into_iter().zip(1_u32..).peekable();
    while let Some((Request { subject, mut headers, body }, sequence)) = requests.next() {
        headers.insert(header::NATS_BATCH_ID, id.as_str());
        headers.insert(header::NATS_BATCH_SEQUENCE, sequence.to_string());
        if requests.peek().is_some() {
            client.publish_with_headers(subject, headers, body).await?;
        } else {
            headers.insert(header::NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL);
            return Ok(client.request_with_headers(subject, headers, body).await?);
        }
    }
    bail!("a batch of nothing")
}
