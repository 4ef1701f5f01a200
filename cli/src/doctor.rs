//! `keepsake doctor`: what is reachable, in which version, how durable, how far behind, and what to do about it.

mod log;
mod rights;
mod services;
mod tables;

use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use clap::Args;
use runtime::config::Secret;

use crate::nats_args::NatsArgs;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const WARN: Style = AnsiColor::Yellow.on_default();

/// Looks at every part and says what is wrong with it; exit code 1 when anything is.
#[derive(Args, Debug)]
pub struct DoctorArgs {
    #[command(flatten)]
    nats: NatsArgs,
    /// Monitoring addresses of every nats-server, comma-separated
    #[arg(long, env = "NATS_MONITOR_URL", value_delimiter = ',')]
    nats_monitor_url: Vec<String>,
    /// The read models' database
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<Secret>,
    /// The one origin: query-service
    #[arg(long, env = "KEEPSAKE_URL", default_value = "http://127.0.0.1:8003")]
    url: String,
    /// command-service
    #[arg(long, env = "KEEPSAKE_COMMAND_URL")]
    command_url: Option<String>,
    /// projection-workers
    #[arg(long, env = "KEEPSAKE_WORKERS_URL")]
    workers_url: Option<String>,
}

/// One line of the report.
struct Finding {
    part: &'static str,
    state: State,
    text: String,
}

enum State {
    Good,
    /// Works, but not as it should in production.
    Doubtful,
    Bad,
}

impl Finding {
    fn good(part: &'static str, text: impl Into<String>) -> Self {
        Self { part, state: State::Good, text: text.into() }
    }

    fn doubtful(part: &'static str, text: impl Into<String>) -> Self {
        Self { part, state: State::Doubtful, text: text.into() }
    }

    fn bad(part: &'static str, text: impl Into<String>) -> Self {
        Self { part, state: State::Bad, text: text.into() }
    }

    fn print(&self) {
        let (style, mark) = match self.state {
            State::Good => (GOOD, "ok  "),
            State::Doubtful => (WARN, "note"),
            State::Bad => (BAD, "BAD "),
        };
        anstream::println!("{style}{mark}{style:#}  {:<18} {}", self.part, self.text);
    }
}

pub async fn run(args: DoctorArgs) -> anyhow::Result<ExitCode> {
    let mut findings = Vec::new();
    let last_position = log::examine(&args.nats.address(), &args.nats_monitor_url, &mut findings).await;
    match &args.database_url {
        Some(url) => tables::examine(url, last_position, &mut findings).await,
        None => findings.push(Finding::doubtful("read models", "not looked at: set DATABASE_URL")),
    }
    services::examine("query-service", Some(&args.url), "KEEPSAKE_URL", &mut findings).await;
    services::examine("command-service", args.command_url.as_deref(), "KEEPSAKE_COMMAND_URL", &mut findings).await;
    services::examine("projection-workers", args.workers_url.as_deref(), "KEEPSAKE_WORKERS_URL", &mut findings).await;
    findings.iter().for_each(Finding::print);
    let bad = findings.iter().filter(|finding| matches!(finding.state, State::Bad)).count();
    if bad == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    anstream::eprintln!(
        "\n{bad} of {} parts need attention; `make run` starts all of them on this machine",
        findings.len()
    );
    Ok(ExitCode::FAILURE)
}
