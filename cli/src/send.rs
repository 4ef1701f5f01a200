//! `keepsake send SUBJECT JSON`: sends one command and prints the answer.

use std::io::Read as _;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use async_nats::{Client, jetstream};
use bytes::Bytes;
use clap::Args;
use event_log::User;
use proto::subject::CommandSubject;

use crate::commander::{self, Outcome};
use crate::json_print::pretty;
use crate::nats_args::NatsArgs;

/// Sends one command and prints the answer.
///
/// Example: keepsake send cmd.demo.guest.register '{"identifier":"ada"}'
#[derive(Args, Debug)]
pub struct SendArgs {
    /// Where to: `cmd.<tenant>.<facet>.<command>`, such as cmd.demo.interactions.record
    subject: String,
    /// The command's body, or - to read it from standard input
    json: String,
    /// Id of the command: sent twice under the same id, it is carried out once
    #[arg(long)]
    id: Option<String>,
    /// Send without waiting for the answer
    #[arg(long, conflicts_with = "durable")]
    publish: bool,
    /// Hand it to the durable intake, which keeps it until it is carried out
    #[arg(long)]
    durable: bool,
    #[command(flatten)]
    nats: NatsArgs,
}

pub async fn run(args: SendArgs) -> anyhow::Result<ExitCode> {
    let client = event_log::connect(&args.nats.address(), User::Operator, "keepsake send").await?;
    let json = if args.json == "-" { from_stdin()? } else { Bytes::from(args.json.clone()) };
    let started = Instant::now();
    if args.publish || args.durable {
        return without_waiting(&client, &args, json).await;
    }
    let outcome = commander::send(&client, &args.subject, args.id.as_deref(), json, commander::PATIENT).await;
    let milliseconds = started.elapsed().as_secs_f64() * 1e3;
    match outcome {
        Outcome::Accepted(reply) => {
            anstream::println!("{}", pretty(&reply));
            anstream::eprintln!("accepted in {milliseconds:.1} ms");
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Refused { problem, body } => {
            anstream::println!("{}", pretty(&body));
            anstream::eprintln!("refused: {} ({milliseconds:.1} ms)", problem.code);
            Ok(ExitCode::FAILURE)
        }
        Outcome::NoAnswer(why) => anyhow::bail!("{why}: `keepsake doctor` shows what is up"),
    }
}

/// Hands the command over, under an id by which its verdict can be asked for.
async fn without_waiting(client: &Client, args: &SendArgs, json: Bytes) -> anyhow::Result<ExitCode> {
    let id = args.id.clone().unwrap_or_else(|| format!("cli_{}", runtime::clock::ordered_id().simple()));
    let headers = commander::headers(Some(&id)).map_err(|problem| anyhow::anyhow!(problem.detail))?;
    let subject = CommandSubject::parse(&args.subject);
    let subject = subject.context("a command goes to cmd.<tenant>.<facet>.<command>, as in cmd.demo.guest.register")?;
    if args.durable {
        let sent = jetstream::new(client.clone()).publish_with_headers(subject.durable(), headers, json).await;
        sent?.await.context("the intake did not take the command: `keepsake doctor` shows what is up")?;
        anstream::eprintln!("taken; it is carried out, whatever happens");
    } else {
        client.publish_with_headers(args.subject.clone(), headers, json).await?;
        client.flush().await.context("NATS did not take the message")?;
        anstream::eprintln!("published");
    }
    anstream::eprintln!("how it ended: GET /api/v1/commands/{id}, X-Tenant-ID: {}", subject.tenant);
    Ok(ExitCode::SUCCESS)
}

fn from_stdin() -> anyhow::Result<Bytes> {
    let mut body = Vec::new();
    std::io::stdin().read_to_end(&mut body).context("standard input cannot be read")?;
    Ok(Bytes::from(body))
}
