//! `keepsake verify`: whether the read models are what the log says.

use std::path::PathBuf;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use clap::Args;
use projection_workers::{Finding, Progress as Step, Verification, Verified, verify};
use runtime::config::Secret;

use crate::nats_args::NatsArgs;
use crate::progress::Progress;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const DIM: Style = AnsiColor::BrightBlack.on_default();
const NOT_DONE: u8 = 2;
/// Findings printed; all are kept in `keepsake.finding`.
const MOST_PRINTED: usize = 50;

/// Compares the read models with the log; exit code 1 when anything differs, 2 when it could not be compared.
///
/// First the proof: every commit of the log is counted again and compared with what went into each read model, so a commit that
/// was skipped, doubled or changed shows. Then guests are folded again from their first commit and every column of their rows is
/// compared: a thousand guests chosen at random, or everybody with --full. The services may run meanwhile.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// This read model alone: profile, interaction, ...
    #[arg(long)]
    pub projection: Option<String>,
    /// Fold everybody again, and compare rows that are about many guests, too
    #[arg(long)]
    pub full: bool,
    /// Guests to fold again
    #[arg(long, default_value_t = 1_000, conflicts_with = "full")]
    pub guests: usize,
    #[command(flatten)]
    pub nats: NatsArgs,
    /// The read database, as projection-workers use it
    #[arg(long, env = "KEEPSAKE_DATABASE_URL", hide_env_values = true)]
    pub database_url: Secret,
    /// The vault, as projection-workers use it
    #[arg(long, env = "KEEPSAKE_VAULT_URL", hide_env_values = true)]
    pub vault_url: Secret,
    /// The file that holds the key-encryption key
    #[arg(long, env = "KEEPSAKE_KEK_FILE")]
    pub kek_file: PathBuf,
}

pub async fn run(args: VerifyArgs) -> anyhow::Result<ExitCode> {
    let verification = Verification {
        nats: args.nats.address(),
        database_url: args.database_url,
        vault_url: args.vault_url,
        key_file: args.kek_file,
        projection: args.projection,
        guests: (!args.full).then_some(args.guests),
    };
    let progress = Progress::start("commits", 0, 0);
    let verified = verify(&verification, |step| show(&progress, step)).await;
    let took = progress.finish();
    let Verified { commits, owners, mut findings } = match verified {
        Ok(verified) => verified,
        Err(error) => {
            anstream::eprintln!("{BAD}error:{BAD:#} nothing is proved: {error:#}");
            return Ok(ExitCode::from(NOT_DONE));
        }
    };
    findings.sort();
    findings.iter().take(MOST_PRINTED).for_each(print);
    if findings.len() > MOST_PRINTED {
        anstream::println!("... and {} more, in keepsake.finding", findings.len() - MOST_PRINTED);
    }
    let looked_at = format!("{commits} commits counted, {owners} owners folded again, {:.1} s", took.as_secs_f64());
    if findings.is_empty() {
        anstream::println!("{GOOD}proved{GOOD:#}  the read models are what the log says: {looked_at}");
        return Ok(ExitCode::SUCCESS);
    }
    let found = match findings.len() {
        1 => "1 difference".to_owned(),
        many => format!("{many} differences"),
    };
    anstream::println!("{BAD}NOT PROVED{BAD:#}  {found}: {looked_at}");
    anstream::eprintln!(
        "the log is right: have a read model that is wrong folded again, and keep what was printed for whoever looks for the cause"
    );
    Ok(ExitCode::FAILURE)
}

fn show(progress: &Progress, step: Step) {
    match step {
        Step::Reading { read, of } => progress.at(read, of, "counting"),
        Step::Folding { owners } => progress.tell(&format!("folding {owners} owners again")),
    }
}

fn print(finding: &Finding) {
    let Finding { projection, relation, tenant, guest_id, pp, position, difference, .. } = finding;
    let guest = guest_id.as_deref().unwrap_or("-");
    anstream::println!(
        "{BAD}{projection}{BAD:#}  {relation}  {tenant}  {guest}  {DIM}pp {pp:02}, position {position}{DIM:#}"
    );
    anstream::println!("        {difference}");
}
