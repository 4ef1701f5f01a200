//! Which Postgres to run: any of 15 or newer that is installed, otherwise one fetched for us.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::servers::account::Account;
use crate::servers::external::OLDEST_POSTGRES_MAJOR as OLDEST_MAJOR;
use crate::servers::version::Version;
use crate::servers::{Tools, fetch, is_program, on_path};

/// Debian, Red Hat, Homebrew on both kinds of Mac, Postgres.app: the folder, and what lies below each of its entries.
const FOLDERS: [(&str, &str); 5] = [
    ("/usr/lib/postgresql", "bin"),
    ("/usr", "bin"),
    ("/opt/homebrew/opt", "bin"),
    ("/usr/local/opt", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "bin"),
];

/// A folder with `postgres` and `initdb` that the account can run.
pub(super) struct Installation {
    pub(super) bin: PathBuf,
    version: Version,
}

impl Installation {
    pub(super) fn version_text(&self) -> String {
        format!("{}.{}", self.version.0, self.version.1)
    }
}

/// `wanted` is the major version that an existing cluster was made by: no other can read it.
pub(super) async fn installation(
    tools: &Tools,
    account: Option<&Account>,
    wanted: Option<u32>,
) -> anyhow::Result<Installation> {
    let fits = |version: Version| wanted.map_or(version.0 >= OLDEST_MAJOR, |major| version.0 == major);
    for bin in candidates().await {
        match inspect(&bin, account).await {
            Some(version) if fits(version) => return Ok(Installation { bin, version }),
            Some(version) if version.0 < OLDEST_MAJOR => {
                let too_old = format!("it is {}, and {OLDEST_MAJOR} is needed", version.0);
                tools.say(&format!("leaving the Postgres in {} alone: {too_old}", bin.display()));
            }
            _ => {}
        }
    }
    if let Some(major) = wanted.filter(|major| *major != fetch::postgres::MAJOR) {
        anyhow::bail!(
            "the data here was written by Postgres {major}, which is not installed any more: \
             install it again, or drop the data with `make reset`"
        );
    }
    let bin = fetch::postgres::bin_dir(tools, account).await?;
    match inspect(&bin, account).await {
        Some(version) => Ok(Installation { bin, version }),
        None => anyhow::bail!("{} does not run on this system: install Postgres {OLDEST_MAJOR}", bin.display()),
    }
}

async fn candidates() -> Vec<PathBuf> {
    // Distributions link single programs into PATH; initdb lies beside the real one.
    let on_path = on_path("postgres").and_then(|file| Some(file.canonicalize().ok()?.parent()?.to_owned()));
    let known = FOLDERS.iter().flat_map(|(folder, below)| versions_in(Path::new(folder), below));
    let all = on_path.into_iter().chain(configured().await).chain(known);
    let mut found: Vec<PathBuf> = Vec::new();
    for bin in all.filter(|bin| is_program(&bin.join("postgres")) && is_program(&bin.join("initdb"))) {
        if !found.contains(&bin) {
            found.push(bin);
        }
    }
    found
}

async fn configured() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").kill_on_drop(true).output().await.ok()?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()))
}

/// `<folder>/<anything of Postgres>/<below>`, newest version first.
fn versions_in(folder: &Path, below: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut versions: Vec<(u32, String)> = names.filter_map(|name| Some((major(&name)?, name))).collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions.into_iter().map(|(_, name)| folder.join(name).join(below)).collect()
}

/// `18`, `pgsql-18`, `postgresql@18`
fn major(name: &str) -> Option<u32> {
    let digits = ["postgresql@", "pgsql-", ""].into_iter().find_map(|prefix| name.strip_prefix(prefix))?;
    digits.parse().ok()
}

/// The version, when the account can run it.
async fn inspect(bin: &Path, account: Option<&Account>) -> Option<Version> {
    let mut command = Command::new(bin.join("postgres"));
    command.arg("--version").current_dir("/").kill_on_drop(true);
    if let Some(account) = account {
        command.uid(account.uid).gid(account.gid);
    }
    Version::find(&String::from_utf8_lossy(&command.output().await.ok()?.stdout))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_installed_version_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["9", "18", "postgresql@17", "local"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let found = versions_in(folder.path(), "bin");
        assert_eq!(found, ["18/bin", "postgresql@17/bin", "9/bin"].map(|bin| folder.path().join(bin)));
    }
}
