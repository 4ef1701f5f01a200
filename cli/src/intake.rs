//! `keepsake intake`: what waits in the durable intake, and what could not be carried out.

mod dead_letters;

use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use anyhow::bail;
use clap::{Args, Subcommand};
use event_log::{User, intake};
use futures_util::TryStreamExt as _;
use vault::audit::Chain;

use self::dead_letters::{DeadLetter, DeadLetters};
use crate::audit::Recorder;
use crate::nats_args::NatsArgs;

const TIME: Style = AnsiColor::BrightBlack.on_default();
const REASON: Style = AnsiColor::Red.on_default();

/// Shows, sends again or drops commands that the durable intake could not carry out.
///
/// Such a command is kept with the reason. `retry` sends it again under its own id, so that it counts once whatever happened
/// before; `drop` erases it.
#[derive(Args, Debug)]
pub struct IntakeArgs {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    nats: NatsArgs,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// How many commands wait, and each dead letter: number, time, tenant, command, reason, id, size
    List,
    /// Sends dead letters again, oldest first
    Retry(Which),
    /// Erases dead letters for good
    Drop(Which),
}

/// Which dead letters.
#[derive(Args, Debug)]
struct Which {
    /// Their numbers, as `keepsake intake list` shows them
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    numbers: Vec<u64>,
    /// All there are
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    recorder: Recorder,
}

pub async fn run(args: IntakeArgs) -> anyhow::Result<ExitCode> {
    let client = event_log::connect(&args.nats.address(), User::Operator, "keepsake intake").await?;
    let waiting = intake::info(&client).await?.waiting;
    let letters = DeadLetters::open(&client).await?;
    match args.action {
        Action::List => list(&letters, waiting).await,
        Action::Retry(which) => {
            let retry = async |letter: &DeadLetter| {
                record(&which.recorder, "intake.retry", letter).await?;
                letters.retry(letter).await
            };
            let count = each(&letters, &which, retry).await?;
            anstream::eprintln!("sent again: {count}; what fails again comes back to `keepsake intake list`");
            Ok(ExitCode::SUCCESS)
        }
        Action::Drop(which) => {
            let drop = async |letter: &DeadLetter| {
                record(&which.recorder, "intake.drop", letter).await?;
                letters.drop(letter.number).await
            };
            let count = each(&letters, &which, drop).await?;
            anstream::eprintln!("dropped: {count}");
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn record(recorder: &Recorder, act: &'static str, letter: &DeadLetter) -> anyhow::Result<()> {
    let (tenant, _) = letter.named();
    // What came on no tenant's subject is nobody's.
    let chain = tenant.parse().map_or(Chain::Installation, Chain::Tenant);
    recorder.record(chain, act, &[], format!("dead letter {}", letter.number)).await
}

async fn list(letters: &DeadLetters, waiting: u64) -> anyhow::Result<ExitCode> {
    let mut count = 0_u64;
    let mut all = std::pin::pin!(letters.all());
    while let Some(letter) = all.try_next().await? {
        count += 1;
        let DeadLetter { number, at, reason, detail, id, bytes, .. } = &letter;
        let (tenant, command) = letter.named();
        let id = id.as_deref().unwrap_or("-");
        anstream::println!(
            "{number:>6}  {TIME}{at}{TIME:#}  {tenant}  {command}  {REASON}{reason}{REASON:#}  {id}  {bytes} B"
        );
        anstream::println!("        {TIME}{detail}{TIME:#}");
    }
    anstream::eprintln!("dead letters: {count}, commands waiting: {waiting}");
    Ok(ExitCode::SUCCESS)
}

/// Does it to each; how many there were.
async fn each(
    letters: &DeadLetters,
    which: &Which,
    act: impl AsyncFn(&DeadLetter) -> anyhow::Result<()>,
) -> anyhow::Result<u64> {
    let mut count = 0;
    if which.all {
        let mut all = std::pin::pin!(letters.all());
        while let Some(letter) = all.try_next().await? {
            act(&letter).await?;
            count += 1;
        }
        return Ok(count);
    }
    for number in &which.numbers {
        let Some(letter) = letters.get(*number).await? else {
            bail!("there is no dead letter {number} ({count} done): `keepsake intake list` shows those there are");
        };
        act(&letter).await?;
        count += 1;
    }
    Ok(count)
}
