//! At most one `up` per run folder: whoever holds the lock on its pid file is running.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use nix::unistd::Pid;

use super::RunFolder;
use crate::servers::lock;

/// The claim of this process on a run folder.
pub(crate) struct Instance {
    path: PathBuf,
    _lock: File,
}

impl Instance {
    pub(super) fn claim(folder: &RunFolder) -> anyhow::Result<Self> {
        let path = folder.pid_file();
        let Some(mut lock) = lock::try_take(&path)? else {
            let pid = Self::running(folder)?.map(|pid| format!(" (process {pid})")).unwrap_or_default();
            anyhow::bail!("keepsake is already running here{pid}: use it, or stop it with `make stop`");
        };
        let message = || format!("{} cannot be written", path.display());
        lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id())).with_context(message)?;
        Ok(Self { path, _lock: lock })
    }

    /// The process that runs in the folder, if one does.
    pub(crate) fn running(folder: &RunFolder) -> anyhow::Result<Option<Pid>> {
        let path = folder.pid_file();
        if !lock::is_held(&path)? {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        Ok(text.trim().parse().ok().map(Pid::from_raw))
    }

    pub(super) fn release(self) {
        // The lock says who runs; a file that stays behind misleads nobody.
        let _still_there = std::fs::remove_file(&self.path);
    }
}
