//! The cluster on disk: made once by initdb, whole or not at all.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tokio::process::Command;

use super::find::Installation;
use super::{ADMIN, PostgresOptions};
use crate::servers::account::Account;
use crate::servers::{Tools, disk};

/// The major version that made the cluster, if there is one.
pub(super) fn major(data: &Path) -> Option<u32> {
    fs::read_to_string(data.join("PG_VERSION")).ok()?.trim().parse().ok()
}

pub(super) async fn create(
    tools: &Tools,
    installation: &Installation,
    data: &Path,
    options: &PostgresOptions,
    account: Option<&Account>,
) -> anyhow::Result<()> {
    let home = data.parent().context("a cluster needs a folder")?;
    disk::ensure_space(home)?;
    if major(data).is_some() {
        return Ok(());
    }
    tools.say(&format!("creating a Postgres {} cluster", installation.version_text()));
    let partial = emptied(data.with_extension("partial"), account)?;
    let password = Password::written(partial.with_extension("password"), &options.password, account)?;
    run(initdb(&installation.bin, &partial.join("data"), &password.0, options, account)).await?;
    fs::rename(partial.join("data"), data).with_context(|| format!("{} cannot be put in place", data.display()))?;
    Ok(fs::remove_dir(partial)?)
}

fn initdb(bin: &Path, data: &Path, password: &Path, options: &PostgresOptions, account: Option<&Account>) -> Command {
    let mut command = Command::new(bin.join("initdb"));
    command.args(["--no-locale", "-E", "UTF8", "-A", "scram-sha-256", "-U", ADMIN]);
    command.arg("--pwfile").arg(password).arg("-D").arg(data).current_dir("/");
    if !options.sync_new_cluster {
        command.arg("--no-sync");
    }
    if let Some(account) = account {
        command.uid(account.uid).gid(account.gid);
    }
    command
}

async fn run(mut command: Command) -> anyhow::Result<()> {
    let output = command.stdin(std::process::Stdio::null()).kill_on_drop(true).output().await;
    let output = output.context("initdb cannot be started")?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "initdb could not make a cluster: {}", said.trim());
    Ok(())
}

/// An empty folder that the account may fill.
fn emptied(folder: PathBuf, account: Option<&Account>) -> anyhow::Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir(&folder).with_context(|| format!("{} cannot be created", folder.display()))?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
    account.map_or(Ok(()), |account| account.own(&folder))?;
    Ok(folder)
}

/// A file with the superuser's password, gone as soon as initdb has read it.
struct Password(PathBuf);

impl Password {
    fn written(path: PathBuf, password: &str, account: Option<&Account>) -> anyhow::Result<Self> {
        crate::up::secrets::write(&path, password.as_bytes())?;
        let file = Self(path);
        account.map_or(Ok(()), |account| account.own(&file.0))?;
        Ok(file)
    }
}

impl Drop for Password {
    fn drop(&mut self) {
        // Failing to remove a file that only its reader could open is not worth failing for.
        let _still_there = fs::remove_file(&self.0);
    }
}
