//! `keepsake sub [PATTERN]`: shows published events as they come, or with `--log` the stored events they were made of.

mod log;
mod published;

use anstyle::{AnsiColor, Style};
use chrono::{DateTime, Utc};
use clap::Args;
use event_log::User;
use proto::subject::Tenant;

use crate::nats_args::NatsArgs;

const TIME: Style = AnsiColor::BrightBlack.on_default();
const TYPE: Style = AnsiColor::Green.on_default();

/// Shows published events as they come, a line each: number, time, tenant, whose it is, name, event id.
#[derive(Args, Debug)]
pub struct SubArgs {
    /// Names to show, `*` standing for any text: `guest.profile.created`, `guest.profile.*`; with --log the types of stored events
    #[arg(default_value = "*")]
    pattern: String,
    /// Only this tenant's events
    #[arg(long, env = "KEEPSAKE_TENANT")]
    tenant: Option<Tenant>,
    /// Start behind this number of the first column; 0 shows all that is kept [default: only what comes]
    #[arg(long)]
    after: Option<u64>,
    /// Start at this instant: 2026-03-01T10:00:00Z; published events are kept for 7 days
    #[arg(long, conflicts_with = "after")]
    since: Option<DateTime<Utc>>,
    /// Show published events as they are, a JSON text a line
    #[arg(long)]
    json: bool,
    /// Show the stored events of the log instead, numbered by their positions: who, when, what type; what is sealed stays sealed
    #[arg(long, conflicts_with_all = ["since", "json"])]
    log: bool,
    #[command(flatten)]
    nats: NatsArgs,
}

pub async fn run(args: SubArgs) -> anyhow::Result<()> {
    let client = event_log::connect(&args.nats.address(), User::Operator, "keepsake sub").await?;
    let showing =
        async { if args.log { log::show(&client, &args).await } else { published::show(&client, &args).await } };
    tokio::select! {
        shown = showing => shown,
        signal = tokio::signal::ctrl_c() => Ok(signal?),
    }
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
        assert!(matches("guest.profile.*", "guest.profile.created"));
        assert!(!matches("Guest", "GuestRegistered") && !matches("*x*", "GuestRegistered"));
    }
}
