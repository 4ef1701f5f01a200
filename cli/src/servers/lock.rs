//! A locked file stands for "somebody still uses this": the kernel lets go of it when the last holder is gone.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

const RETRY: Duration = Duration::from_millis(20);

/// The locked file, or `None` while another process holds it.
pub fn try_take(path: &Path) -> anyhow::Result<Option<File>> {
    let open = || format!("{} cannot be opened", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(open)?;
    }
    let file = File::options().read(true).write(true).create(true).truncate(false).open(path).with_context(open)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("{} cannot be locked", path.display())),
    }
}

/// The locked file, as soon as nobody else holds it.
pub async fn wait(path: &Path) -> anyhow::Result<File> {
    loop {
        if let Some(file) = try_take(path)? {
            return Ok(file);
        }
        // The kernel has no wait for a file lock that an async task could give up.
        tokio::time::sleep(RETRY).await;
    }
}

/// Whether another process holds the file.
pub fn is_held(path: &Path) -> anyhow::Result<bool> {
    Ok(path.exists() && try_take(path)?.is_none())
}

/// Waits until no `*.lock` in the folder is held.
pub async fn wait_until_free(folder: &Path) -> anyhow::Result<()> {
    for path in in_folder(folder) {
        drop(wait(&path).await?);
    }
    Ok(())
}

/// Whether any `*.lock` in the folder is held.
pub fn any_held(folder: &Path) -> anyhow::Result<bool> {
    in_folder(folder).iter().try_fold(false, |held, path| Ok(held || is_held(path)?))
}

fn in_folder(folder: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "lock")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lock_is_held_until_its_file_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lock");
        let held = try_take(&path).unwrap().unwrap();
        assert!(try_take(&path).unwrap().is_none() && any_held(folder.path()).unwrap());
        drop(held);
        assert!(!is_held(&path).unwrap());
        wait_until_free(folder.path()).await.unwrap();
    }
}
