//! How far an import came: every line up to `done` has its answer, and so many of them were rejected.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::Context as _;
use proto::subject::Tenant;

/// Lines answered between two writes of the file.
const SAVE_EVERY: u64 = 500;

/// Which import it is: one file's content into one tenant of one log.
pub(super) struct ImportKey<'a> {
    pub(super) log_id: &'a str,
    pub(super) tenant: &'a Tenant,
    pub(super) content_hash: &'a str,
}

/// What a line was answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Taken,
    Rejected,
}

pub(super) struct Checkpoint {
    path: PathBuf,
    done: u64,
    saved: u64,
    rejected: u64,
    /// Answered lines above `done`; bounded by what is under way.
    ahead: BTreeMap<u64, Answer>,
}

impl Checkpoint {
    pub(super) fn load(folder: &Path, key: &ImportKey<'_>) -> anyhow::Result<Self> {
        let ImportKey { log_id, tenant, content_hash } = key;
        let path = folder.join(format!("{tenant}-{content_hash}-{log_id}.import"));
        let (done, rejected) = match fs::read_to_string(&path) {
            Ok(text) => read(&text).with_context(|| format!("{} is damaged: delete it", path.display()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => (0, 0),
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
        };
        fs::create_dir_all(folder).with_context(|| format!("{} cannot be made: see --state-dir", folder.display()))?;
        Ok(Self { path, done, saved: done, rejected, ahead: BTreeMap::new() })
    }

    /// The last line up to which all lines are answered.
    pub(super) fn done(&self) -> u64 {
        self.done
    }

    /// Lines rejected since the first one, over all interruptions.
    pub(super) fn rejected(&self) -> u64 {
        self.rejected
    }

    /// A line of before an interruption is answered already.
    pub(super) fn answered(&mut self, line: u64, answer: Answer) -> io::Result<()> {
        if line <= self.done {
            return Ok(());
        }
        self.ahead.insert(line, answer);
        // A line is counted when it is passed: one that was ahead at an interruption is sent, and answered, again.
        while let Some(answer) = self.ahead.remove(&(self.done + 1)) {
            self.rejected += u64::from(answer == Answer::Rejected);
            self.done += 1;
        }
        if self.done >= self.saved + SAVE_EVERY { self.save() } else { Ok(()) }
    }

    pub(super) fn save(&mut self) -> io::Result<()> {
        let fresh = self.path.with_extension("new");
        fs::write(&fresh, format!("{} {}", self.done, self.rejected))?;
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

fn read(text: &str) -> Option<(u64, u64)> {
    let (done, rejected) = text.trim().split_once(' ')?;
    Some((done.parse().ok()?, rejected.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(folder: &Path, log_id: &str) -> Checkpoint {
        Checkpoint::load(folder, &ImportKey { log_id, tenant: &"demo".parse().expect("a token"), content_hash: "hash" })
            .expect("loads")
    }

    #[test]
    fn only_lines_without_a_gap_before_them_are_done() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut checkpoint = load(folder.path(), "log");
        for line in [2, 3, 1, 5] {
            checkpoint.answered(line, Answer::Taken).expect("writes");
        }
        assert_eq!(checkpoint.done(), 3);
        checkpoint.save().expect("writes");
        assert_eq!(load(folder.path(), "log").done(), 3);
        checkpoint.clear().expect("clears");
        assert_eq!(load(folder.path(), "log").done(), 0);
    }

    #[test]
    fn an_import_that_goes_on_counts_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut checkpoint = load(folder.path(), "log");
        checkpoint.answered(1, Answer::Taken).expect("writes");
        checkpoint.answered(2, Answer::Rejected).expect("writes");
        checkpoint.save().expect("writes");
        let mut resumed = load(folder.path(), "log");
        resumed.answered(1, Answer::Taken).expect("writes");
        resumed.answered(3, Answer::Taken).expect("writes");
        assert_eq!((resumed.done(), resumed.rejected()), (3, 1));
    }

    #[test]
    fn another_log_starts_at_the_first_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut checkpoint = load(folder.path(), "log");
        checkpoint.answered(1, Answer::Taken).expect("writes");
        checkpoint.save().expect("writes");
        assert_eq!(load(folder.path(), "another log").done(), 0);
    }
}
