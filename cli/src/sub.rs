//! `keepsake sub [PATTERN]`: shows events as they are appended to the log.
//!
//! Published events do not exist yet; until they do, this shows what the log shows to somebody without keys: who, when, what
//! type of event. What is sealed stays sealed.

use anstyle::{AnsiColor, Style};
use anyhow::Context as _;
use chrono::{DateTime, SecondsFormat};
use clap::Args;
use event_log::read::{LogMessage, Reader};
use event_log::stream;
use prost::Message as _;
use proto::subject::Tenant;
use proto::{Commit, StoredEvent};

const TIME: Style = AnsiColor::BrightBlack.on_default();
const TYPE: Style = AnsiColor::Green.on_default();
const BATCH: usize = 500;

/// Shows events as they are appended to the log, a line each: position, time, tenant, owner, type, event id.
#[derive(Args, Debug)]
pub struct SubArgs {
    /// Event types to show, `*` standing for any text: `InteractionRecorded`, `Guest*`
    #[arg(default_value = "*")]
    pattern: String,
    /// Only this tenant's events
    #[arg(long, env = "KEEPSAKE_TENANT")]
    tenant: Option<Tenant>,
    /// Start behind this position; 0 shows the whole history [default: only what comes]
    #[arg(long)]
    after: Option<u64>,
    /// nats-server
    #[arg(long, env = "NATS_URL", hide_env_values = true, default_value = "nats://127.0.0.1:4222")]
    nats_url: String,
}

pub async fn run(args: SubArgs) -> anyhow::Result<()> {
    let client = event_log::connect(&args.nats_url, "keepsake sub").await?;
    let now = stream::info(&client).await?.last_position;
    let mut reader = Reader::start(&client, args.after.unwrap_or(now)).await?;
    loop {
        let batch = tokio::select! {
            batch = reader.next_batch(BATCH) => batch?,
            signal = tokio::signal::ctrl_c() => return Ok(signal?),
        };
        for message in batch.iter().filter(|message| !message.is_system()) {
            if args.tenant.as_ref().is_none_or(|tenant| *tenant == message.subject.tenant) {
                show(message, &args.pattern)?;
            }
        }
    }
}

fn show(message: &LogMessage, pattern: &str) -> anyhow::Result<()> {
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

/// Whether the text has the pattern's parts in order, `*` standing for any text between them.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|tail| {
            (0..=tail.len()).filter(|at| tail.is_char_boundary(*at)).any(|at| matches(rest, &tail[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_any_text() {
        assert!(
            matches("*", "GuestRegistered")
                && matches("Guest*", "GuestRegistered")
                && matches("*ed", "GuestRegistered")
        );
        assert!(matches("G*t*d", "GuestRegistered"));
        assert!(!matches("Guest", "GuestRegistered") && !matches("*x*", "GuestRegistered"));
    }
}
