//! Where the files of an unprivileged account can live: below the run folder, or outside when that is closed to others.

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::account::Account;

const OUTSIDE: &str = "/var/tmp";
/// Says which run folder a folder outside belongs to, so that a new run folder at an old path starts afresh.
const ID_FILE: &str = "id";

/// A folder for the data kept by `account`: `folder` itself, or, when that account cannot get there, one below
/// `/var/tmp` that belongs to `folder` alone.
pub fn private_home(folder: &Path, account: Option<&Account>) -> anyhow::Result<PathBuf> {
    create(folder, 0o755)?;
    match account {
        Some(_) if !is_traversable(folder)? => Ok(outside(folder)?.join(id(folder)?)).and_then(created),
        _ => Ok(folder.to_owned()),
    }
}

/// As [`private_home`], for what can be fetched again and so may outlive the run folder.
pub(crate) fn shared_home(folder: &Path, account: Option<&Account>) -> anyhow::Result<PathBuf> {
    create(folder, 0o755)?;
    match account {
        Some(_) if !is_traversable(folder)? => Ok(outside(folder)?.join("shared")).and_then(created),
        _ => Ok(folder.to_owned()),
    }
}

/// The folder below `/var/tmp` that belongs to `folder`, whether it exists or not.
pub fn outside_path(folder: &Path) -> anyhow::Result<PathBuf> {
    let path = folder.canonicalize().with_context(|| format!("{} cannot be found", folder.display()))?;
    let hash = HEXLOWER.encode(&Sha256::digest(path.as_os_str().as_encoded_bytes())[..8]);
    Ok(Path::new(OUTSIDE).join(format!("keepsake-{hash}")))
}

fn outside(folder: &Path) -> anyhow::Result<PathBuf> {
    let path = created(outside_path(folder)?)?;
    let metadata = fs::symlink_metadata(&path)?;
    let ours = metadata.is_dir() && metadata.uid() == nix::unistd::geteuid().as_raw();
    // Anyone can make this folder first and then own our data.
    anyhow::ensure!(ours, "{} belongs to somebody else: remove it and try again", path.display());
    Ok(path)
}

fn created(path: PathBuf) -> anyhow::Result<PathBuf> {
    create(&path, 0o755)?;
    Ok(path)
}

fn create(path: &Path, mode: u32) -> anyhow::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let message = || format!("{} cannot be created", path.display());
    fs::DirBuilder::new().recursive(true).mode(mode).create(path).with_context(message)?;
    // The umask of a careful root would keep the account out.
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).with_context(message)
}

fn is_traversable(folder: &Path) -> anyhow::Result<bool> {
    let path = folder.canonicalize()?;
    let open = |folder: &Path| folder.metadata().is_ok_and(|metadata| metadata.mode() & 0o001 != 0);
    Ok(path.ancestors().all(open))
}

fn id(folder: &Path) -> anyhow::Result<String> {
    let file = folder.join(ID_FILE);
    if let Ok(id) = fs::read_to_string(&file) {
        return Ok(id);
    }
    let id = HEXLOWER.encode(&getrandom::u64()?.to_be_bytes());
    fs::write(&file, &id).with_context(|| format!("{} cannot be written", file.display()))?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        Account { name: "nobody".to_owned(), uid: 65_534, gid: 65_534 }
    }

    #[test]
    fn without_another_account_everything_stays_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(private_home(folder.path(), None).unwrap(), folder.path());
    }

    #[test]
    fn a_closed_folder_keeps_its_data_outside_under_its_own_name() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let home = private_home(folder.path(), Some(&account())).unwrap();
        assert_eq!(home, private_home(folder.path(), Some(&account())).unwrap());
        assert!(home.starts_with(outside_path(folder.path()).unwrap()));
        fs::remove_dir_all(outside_path(folder.path()).unwrap()).unwrap();
    }
}
