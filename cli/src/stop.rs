//! `keepsake stop`: ends the `up` of this folder and waits until it is gone.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::signal::{Signal, kill};

use crate::servers::lock;
use crate::up::{Instance, RunFolder};

/// `up` promises ten seconds.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Stop what `keepsake up` started in this folder
#[derive(clap::Args, Clone, Debug)]
pub struct StopArgs {
    /// The folder `up` runs in
    #[arg(long, env = "KEEPSAKE_RUN_DIR", default_value = ".run")]
    pub run_dir: PathBuf,
}

pub async fn run(args: StopArgs) -> anyhow::Result<()> {
    let stopped = match RunFolder::existing(&args.run_dir) {
        Some(folder) => stop(&folder).await?,
        None => false,
    };
    anstream::println!("{}", if stopped { "stopped" } else { "nothing is running here" });
    Ok(())
}

/// Whether there was something to stop; nothing runs in the folder afterwards.
pub(crate) async fn stop(folder: &RunFolder) -> anyhow::Result<bool> {
    let running = Instance::running(folder)?;
    let was_running = running.is_some() || lock::any_held(&folder.locks())?;
    if let Some(pid) = running {
        // It may have ended since we looked, which is what is wanted.
        let _ended = kill(pid, Signal::SIGTERM);
    }
    let message = || match running {
        Some(pid) => format!("process {pid} did not end within {} s: end it with `kill -9 {pid}`", TIMEOUT.as_secs()),
        None => format!("servers still use {}: end them by hand", folder.path().display()),
    };
    tokio::time::timeout(TIMEOUT, ended(folder)).await.with_context(message)??;
    Ok(was_running)
}

async fn ended(folder: &RunFolder) -> anyhow::Result<()> {
    if folder.pid_file().exists() {
        let _ended = lock::wait(&folder.pid_file()).await?;
        // An `up` that was killed could not do this itself.
        for left in [folder.pid_file(), folder.env_file()] {
            let _removed_already = std::fs::remove_file(left);
        }
    }
    lock::wait_until_free(&folder.locks()).await
}
