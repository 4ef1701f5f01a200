//! `keepsake up`: the whole system on this machine, from nothing to a demo that answers, until Ctrl-C.

mod console;
pub mod databases;
mod endpoints;
mod env_file;
mod instance;
pub mod run_folder;
pub mod secrets;
mod services;
mod signals;
mod stack;
mod start;
mod unit;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;

use crate::servers::lock;
pub use console::Console;
pub use databases::{Login, MigrateOptions};
pub use endpoints::Endpoints;
pub(crate) use instance::Instance;
pub use run_folder::RunFolder;

use signals::Signals;
use stack::Stack;

/// Longer than any guard gives its program.
const LEFTOVERS_TIMEOUT: Duration = Duration::from_secs(15);

/// Start everything on this machine, show the demo, and stay until Ctrl-C
#[derive(clap::Args, Clone, Debug)]
pub struct UpArgs {
    /// Folder for data, logs, secrets and fetched servers
    #[arg(long, env = "KEEPSAKE_RUN_DIR", default_value = ".run")]
    pub run_dir: PathBuf,
    /// Port of the one origin [default: 8003, or the next free one]
    #[arg(long)]
    pub http_port: Option<u16>,
    /// Port of nats-server [default: a free one]
    #[arg(long)]
    pub nats_port: Option<u16>,
    /// Port of nats-server's monitoring [default: a free one]
    #[arg(long)]
    pub nats_monitor_port: Option<u16>,
    /// Port of Postgres [default: a free one]
    #[arg(long)]
    pub postgres_port: Option<u16>,
    /// Do not run the demo
    #[arg(long)]
    pub no_demo: bool,
    /// Stop again after the demo, and fail when it failed
    #[arg(long, conflicts_with = "no_demo")]
    pub once: bool,
    /// End when the process of this id does
    #[arg(long, hide = true)]
    pub with_parent: Option<i32>,
}

/// Starts, shows and stops everything; `migrate` prepares the databases and the log, `demo` is shown once all answer.
pub async fn run(
    args: UpArgs,
    migrate: impl AsyncFn(MigrateOptions) -> anyhow::Result<()>,
    demo: impl AsyncFn(Endpoints) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let console = Console::new();
    let folder = RunFolder::create(&args.run_dir)?;
    let mut signals = Signals::listen(args.with_parent)?;
    let instance = Instance::claim(&folder)?;
    // A killed `up` leaves it behind, and scripts take it as the sign that everything answers.
    env_file::remove(&folder);
    let mut stack = Stack::new(console.clone());
    let session = session(&args, &folder, &console, &mut stack, migrate, demo);
    let outcome = tokio::select! {
        outcome = session => outcome,
        reason = signals.stop() => {
            console.note(&format!("{reason}, stopping"));
            Ok(())
        }
    };
    env_file::remove(&folder);
    tear_down(stack, &folder, &console, &mut signals).await;
    instance.release();
    outcome
}

/// Everything between the start and the wish to stop.
async fn session(
    args: &UpArgs,
    folder: &RunFolder,
    console: &Console,
    stack: &mut Stack,
    migrate: impl AsyncFn(MigrateOptions) -> anyhow::Result<()>,
    demo: impl AsyncFn(Endpoints) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    wait_for_leftovers(folder, console).await?;
    let endpoints = start::everything(args, folder, console, stack, migrate).await?;
    env_file::write(folder, &endpoints)?;
    let shown = if args.no_demo { Ok(()) } else { demo(endpoints.clone()).await };
    if args.once {
        return shown.context("the demo failed");
    }
    if let Err(error) = shown {
        console.fault(&format!("the demo failed: {error:#}"));
    }
    console.ready(&endpoints, folder);
    std::future::pending().await
}

/// An `up` that was killed leaves servers that are just ending.
async fn wait_for_leftovers(folder: &RunFolder, console: &Console) -> anyhow::Result<()> {
    if lock::any_held(&folder.locks())? {
        console.note("waiting for the servers of the last run to end");
    }
    let locks = folder.locks();
    let message = || format!("servers of an earlier run still use {}: end them first", folder.path().display());
    tokio::time::timeout(LEFTOVERS_TIMEOUT, lock::wait_until_free(&locks)).await.with_context(message)?
}

/// Stops in order; a second wish to stop kills what is left.
async fn tear_down(stack: Stack, folder: &RunFolder, console: &Console, signals: &mut Signals) {
    let hard = stack.hard_stop();
    let ordered = async {
        stack.stop().await;
        // What was just being started belongs to no unit yet; its guard ends it.
        let _nothing_to_be_done = wait_for_leftovers(folder, console).await;
    };
    tokio::pin!(ordered);
    tokio::select! {
        () = &mut ordered => {}
        _ = signals.again() => {
            console.note("stopping at once");
            hard.cancel();
            ordered.await;
        }
    }
    console.note("stopped; nothing is left running");
}
