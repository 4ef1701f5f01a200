//! Published events, as other services get them.

use anyhow::{Context as _, bail};
use async_nats::Client;
use async_nats::jetstream;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::{Message, consumer};
use futures_util::StreamExt as _;
use proto::subject::{PUBLISHED_STREAM, PUBLISHED_SUBJECTS, PublishedSubject};
use serde_json::Value;

use super::{SubArgs, TIME, TYPE, matches};

pub(super) async fn show(client: &Client, args: &SubArgs) -> anyhow::Result<()> {
    event_log::published::info(client).await?;
    let config = pull::Config {
        deliver_policy: begins(args)?,
        filter_subject: args.tenant.as_ref().map_or_else(|| PUBLISHED_SUBJECTS.to_owned(), PublishedSubject::all_of),
        ack_policy: AckPolicy::None,
        memory_storage: true,
        ..pull::Config::default()
    };
    let consumer: consumer::PullConsumer =
        jetstream::new(client.clone()).create_consumer_on_stream(config, PUBLISHED_STREAM).await?;
    let mut messages = consumer.messages().await?;
    while let Some(message) = messages.next().await {
        print(&message.context("the published events cannot be read on: start again with --after")?, args)?;
    }
    bail!("NATS closed the connection")
}

fn begins(args: &SubArgs) -> anyhow::Result<DeliverPolicy> {
    Ok(match (args.after, args.since) {
        (Some(after), _) => DeliverPolicy::ByStartSequence { start_sequence: after.saturating_add(1) },
        (None, Some(since)) => {
            let start_time = async_nats::datetime::parse_rfc3339(&since.to_rfc3339());
            DeliverPolicy::ByStartTime { start_time: start_time.ok().context("--since is out of range")? }
        }
        (None, None) => DeliverPolicy::New,
    })
}

fn print(message: &Message, args: &SubArgs) -> anyhow::Result<()> {
    let Ok(PublishedSubject { tenant, name }) = PublishedSubject::parse(&message.subject) else { return Ok(()) };
    if !matches(&args.pattern, name) {
        return Ok(());
    }
    let number = message.info().map_err(anyhow::Error::from_boxed)?.stream_sequence;
    let event: Value = serde_json::from_slice(&message.payload).with_context(|| format!("{number} is no event"))?;
    if args.json {
        anstream::println!("{event}");
        return Ok(());
    }
    let text = |member: &str| event[member].as_str().unwrap_or_default();
    let (time, subject, id) = (text("time"), text("subject"), text("id"));
    anstream::println!("{number:>8}  {TIME}{time}{TIME:#}  {tenant}  {subject}  {TYPE}{name}{TYPE:#}  {id}");
    Ok(())
}
