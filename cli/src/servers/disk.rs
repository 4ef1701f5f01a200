//! Looks for free disk space before something large is written.

use std::path::Path;

use anyhow::Context as _;
use nix::sys::statvfs::statvfs;

/// Enough for both servers, their first data and a demo.
const NEEDED_BYTES: u64 = 1024 * 1024 * 1024;
const MIB: u64 = 1024 * 1024;

/// Fails with one sentence when the disk under the folder is nearly full.
pub(crate) fn ensure_space(folder: &Path) -> anyhow::Result<()> {
    let free = free_bytes(folder)?;
    let (free_mib, needed_mib, folder) = (free / MIB, NEEDED_BYTES / MIB, folder.display());
    anyhow::ensure!(
        free >= NEEDED_BYTES,
        "only {free_mib} MiB are free on the disk of {folder} and {needed_mib} MiB are needed: make room and try again"
    );
    Ok(())
}

/// Bytes an ordinary user may still write to the disk of the folder.
pub fn free_bytes(folder: &Path) -> anyhow::Result<u64> {
    let stat = statvfs(folder).with_context(|| format!("free space of {} is unknown", folder.display()))?;
    Ok(wide(stat.blocks_available()) * wide(stat.fragment_size()))
}

/// The two counts are 32 bits wide on macOS and 64 on Linux.
fn wide(count: impl Into<u64>) -> u64 {
    count.into()
}
