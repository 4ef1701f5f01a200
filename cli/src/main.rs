//! `keepsake`: the one command people type.

use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use clap::{Parser, Subcommand};
use keepsake_cli::{
    api_keys, audit, demo, doctor, guard, import, intake, lanes, migrate, nats_users, parked, probe, rebuild, reset,
    send, serve, stop, sub, token, up, verify,
};

const ERROR: Style = AnsiColor::Red.on_default().bold();

/// Keepsake remembers people: commands in, events on a log, read models out.
#[derive(Parser)]
#[command(name = "keepsake", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Up(up::UpArgs),
    Stop(stop::StopArgs),
    Reset(reset::ResetArgs),
    Send(send::SendArgs),
    Sub(sub::SubArgs),
    Import(import::ImportArgs),
    Intake(intake::IntakeArgs),
    Verify(verify::VerifyArgs),
    Lanes(lanes::LanesArgs),
    Parked(parked::ParkedArgs),
    Rebuild(rebuild::RebuildArgs),
    Audit(audit::AuditArgs),
    Doctor(doctor::DoctorArgs),
    Migrate(migrate::MigrateArgs),
    Token(token::TokenArgs),
    ApiKeys(api_keys::ApiKeysArgs),
    NatsUsers(nats_users::NatsUsersArgs),
    /// Runs one of the three services in the foreground
    Serve(serve::ServeArgs),
    /// Asks a URL and ends with 0 when it answers with success: health checks of containers
    Probe(probe::ProbeArgs),
    #[command(hide = true)]
    Guard(guard::GuardArgs),
}

fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    // A service brings its own async runtime.
    if let Command::Serve(args) = &command {
        return serve::run(args);
    }
    run(command).unwrap_or_else(|error| {
        anstream::eprintln!("{ERROR}error:{ERROR:#} {error:#}");
        ExitCode::FAILURE
    })
}

async fn start(args: up::UpArgs) -> anyhow::Result<()> {
    let (run_dir, state_dir) = (args.run_dir.clone(), args.run_dir.join("import"));
    let migrate = async |options| migrate::run(&migrate::MigrateArgs::on_disk_of(&run_dir, options)?).await.map(drop);
    up::run(args, migrate, async |endpoints| demo::run(&endpoints, &state_dir).await).await
}

#[tokio::main]
async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let done = |()| ExitCode::SUCCESS;
    match command {
        Command::Up(args) => start(args).await.map(done),
        Command::Stop(args) => stop::run(args).await.map(done),
        Command::Reset(args) => reset::run(args).await.map(done),
        Command::Send(args) => send::run(args).await,
        Command::Sub(args) => sub::run(args).await.map(done),
        Command::Import(args) => import::run(args).await,
        Command::Intake(args) => intake::run(args).await,
        Command::Verify(args) => verify::run(args).await,
        Command::Lanes(args) => lanes::run(args).await.map(done),
        Command::Parked(args) => parked::run(args).await,
        Command::Rebuild(args) => rebuild::run(args).await,
        Command::Audit(args) => audit::run(args).await,
        Command::Doctor(args) => doctor::run(args).await,
        Command::Migrate(args) => migrate::command(&args).await.map(done),
        Command::Token(args) => token::run(args).map(done),
        Command::ApiKeys(args) => api_keys::run(&args).await.map(done),
        Command::NatsUsers(args) => nats_users::run(&args).map(done),
        Command::Probe(args) => probe::run(&args).await,
        Command::Guard(args) => guard::run(args).await,
        Command::Serve(args) => Ok(serve::run(&args)),
    }
}
