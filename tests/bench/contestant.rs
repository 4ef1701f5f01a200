//! What is measured: something that takes a request for an owner and says where its commit was stored.

pub(crate) mod batches;
pub(crate) mod command;
pub(crate) mod gets;
pub(crate) mod http;
pub(crate) mod noted;
pub(crate) mod plain;
pub(crate) mod raw;
pub(crate) mod relay;

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, bail, ensure};
use async_nats::{HeaderMap, Message, Subject};
use bytes::Bytes;
use proto::header;
use serde::Deserialize;

/// The only durability that is measured.
pub(crate) const FSYNC: &str = "fsync";
/// The one refusal a caller answers by asking again.
pub(crate) const OVERLOADED: &str = "overloaded";

/// Owners are numbered; callers see to it that no two of them ask for one owner at once, unless that is what is measured.
pub(crate) trait Contestant: Send + Sync {
    fn request(&self, owner: usize) -> Request;

    /// What became of a request; an error ends the whole run.
    fn judge(&self, owner: usize, answer: &Message) -> anyhow::Result<Verdict>;
}

pub(crate) struct Request {
    pub(crate) subject: Subject,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Stored at this position, and on disk.
    Accepted(u64),
    /// Not stored; to be asked again.
    Overloaded,
}

/// Command ids nobody used before.
pub(crate) struct Ids {
    run: String,
    next: AtomicU64,
}

impl Ids {
    pub(crate) fn new() -> Self {
        Self { run: runtime::clock::random_id().simple().to_string(), next: AtomicU64::new(0) }
    }

    pub(crate) fn fresh(&self) -> String {
        format!("{}-{}", self.run, self.next.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::COMMAND_ID, self.fresh());
        headers
    }
}

/// The parts of a reply every contestant behind a door gives.
#[derive(Deserialize)]
struct Answer<'a> {
    position: u64,
    durability: &'a str,
    #[serde(default)]
    replayed: bool,
}

/// Reads the answer of the service, or of the relay.
fn judge(answer: &Message) -> anyhow::Result<Verdict> {
    if let Some(status) = answer.status {
        bail!("nobody took the request: {status}");
    }
    let refusal = answer.headers.as_ref().and_then(|headers| headers.get(header::SERVICE_ERROR));
    match refusal.map(async_nats::HeaderValue::as_str) {
        Some(OVERLOADED) => return Ok(Verdict::Overloaded),
        Some(code) => bail!("refused with {code}: {}", String::from_utf8_lossy(&answer.payload)),
        None => {}
    }
    accepted(&answer.payload)
}

/// Reads what only an accepted request is answered.
fn accepted(reply: &[u8]) -> anyhow::Result<Verdict> {
    let text = || format!("no reply: {}", String::from_utf8_lossy(reply));
    let Answer { position, durability, replayed } = serde_json::from_slice(reply).with_context(text)?;
    ensure!(position > 0 && durability == FSYNC && !replayed, "not a fresh commit on disk: {}", text());
    Ok(Verdict::Accepted(position))
}
