//! Stored events as the log shows them to somebody without keys: who, when, what type of event.

use anyhow::Context as _;
use async_nats::Client;
use chrono::{DateTime, SecondsFormat};
use event_log::read::{LogMessage, Reader};
use event_log::stream;
use prost::Message as _;
use proto::{Commit, StoredEvent};

use super::{SubArgs, TIME, TYPE, matches};

const BATCH: usize = 500;

pub(super) async fn show(client: &Client, args: &SubArgs) -> anyhow::Result<()> {
    let now = stream::info(client).await?.last_position;
    let mut reader = Reader::start(client, args.after.unwrap_or(now)).await?;
    loop {
        for message in reader.next_batch(BATCH).await?.iter().filter(|message| !message.is_system()) {
            if args.tenant.as_ref().is_none_or(|tenant| *tenant == message.subject.tenant) {
                print(message, &args.pattern)?;
            }
        }
    }
}

fn print(message: &LogMessage, pattern: &str) -> anyhow::Result<()> {
    let LogMessage { position, subject, payload, .. } = message;
    let commit = Commit::decode(payload.clone()).with_context(|| format!("position {position} holds no commit"))?;
    let recorded = commit.recorded_at.unwrap_or_default();
    let nanos = u32::try_from(recorded.nanos).unwrap_or_default();
    let at = DateTime::from_timestamp(recorded.seconds, nanos).unwrap_or_default();
    let at = at.to_rfc3339_opts(SecondsFormat::Millis, true);
    for StoredEvent { id, r#type, .. } in commit.events.iter().filter(|event| matches(pattern, &event.r#type)) {
        anstream::println!(
            "{position:>8}  {TIME}{at}{TIME:#}  {}  {}  {TYPE}{type}{TYPE:#}  {id}",
            subject.tenant,
            subject.owner
        );
    }
    Ok(())
}
