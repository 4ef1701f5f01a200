//! How far an import came: every line up to `done` has its answer.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::Context as _;
use proto::subject::Tenant;

/// Lines answered between two writes of the file.
const SAVE_EVERY: u64 = 500;

pub(super) struct Checkpoint {
    path: PathBuf,
    done: u64,
    saved: u64,
    /// Answered lines above `done`; bounded by what is under way.
    ahead: BTreeSet<u64>,
}

impl Checkpoint {
    pub(super) fn load(folder: &Path, content_hash: &str, tenant: &Tenant) -> anyhow::Result<Self> {
        let path = folder.join(format!("{tenant}-{content_hash}.line"));
        let done = match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().with_context(|| format!("{} is damaged: delete it", path.display()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
        };
        fs::create_dir_all(folder).with_context(|| format!("{} cannot be made: see --state-dir", folder.display()))?;
        Ok(Self { path, done, saved: done, ahead: BTreeSet::new() })
    }

    /// The last line up to which all lines are answered.
    pub(super) fn done(&self) -> u64 {
        self.done
    }

    pub(super) fn answered(&mut self, line: u64) -> io::Result<()> {
        self.ahead.insert(line);
        while self.ahead.first() == Some(&(self.done + 1)) {
            self.ahead.pop_first();
            self.done += 1;
        }
        if self.done >= self.saved + SAVE_EVERY { self.save() } else { Ok(()) }
    }

    pub(super) fn save(&mut self) -> io::Result<()> {
        let fresh = self.path.with_extension("new");
        fs::write(&fresh, self.done.to_string())?;
        fs::rename(fresh, &self.path)?;
        self.saved = self.done;
        Ok(())
    }

    /// Forgets the import: the next one starts at the first line again.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_without_a_gap_before_them_are_done() {
        let folder = tempfile::tempdir().expect("a folder");
        let tenant = "demo".parse().expect("a token");
        let mut checkpoint = Checkpoint::load(folder.path(), "hash", &tenant).expect("loads");
        for line in [2, 3, 1, 5] {
            checkpoint.answered(line).expect("writes");
        }
        assert_eq!(checkpoint.done(), 3);
        checkpoint.save().expect("writes");
        assert_eq!(Checkpoint::load(folder.path(), "hash", &tenant).expect("loads").done(), 3);
        checkpoint.clear().expect("clears");
        assert_eq!(Checkpoint::load(folder.path(), "hash", &tenant).expect("loads").done(), 0);
    }
}
