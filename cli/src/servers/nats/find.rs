//! Which nats-server to run: the one on PATH when it is new enough, otherwise one fetched for us.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::servers::external::OLDEST_NATS as OLDEST;
use crate::servers::version::Version;
use crate::servers::{Tools, fetch, on_path};

pub(super) async fn server(tools: &Tools) -> anyhow::Result<(PathBuf, Version)> {
    if let Some(found) = installed(tools).await {
        return Ok(found);
    }
    let fetched = fetch::nats_server::path(tools).await?;
    match version(&fetched).await {
        Some(version) => Ok((fetched, version)),
        None => anyhow::bail!("{} does not run on this system: install nats-server {OLDEST}", fetched.display()),
    }
}

async fn installed(tools: &Tools) -> Option<(PathBuf, Version)> {
    let path = on_path("nats-server")?;
    let version = version(&path).await?;
    if version < OLDEST {
        tools.say(&format!("leaving {} alone: it is {version}, and {OLDEST} is needed", path.display()));
        return None;
    }
    Some((path, version))
}

async fn version(server: &Path) -> Option<Version> {
    let output = Command::new(server).arg("--version").kill_on_drop(true).output().await.ok()?;
    Version::find(&String::from_utf8_lossy(&output.stdout))
}
