//! The lines that were not taken, with their numbers and reasons.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

pub(super) struct Rejects {
    path: PathBuf,
    file: Option<File>,
}

/// Beside where the import is started: the folder of the input may not be writable.
pub(super) fn default_path(input: &Path) -> PathBuf {
    let name = input.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    PathBuf::from(format!("{name}.rejects"))
}

impl Rejects {
    /// For an import that starts at the first line: what an earlier one left says nothing about this one.
    pub(super) fn fresh(path: PathBuf) -> anyhow::Result<Self> {
        if fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file()) {
            fs::remove_file(&path).with_context(|| format!("{} cannot be removed", path.display()))?;
        }
        Ok(Self { path, file: None })
    }

    /// Goes on with the file of the interrupted import.
    pub(super) fn resumed(path: PathBuf) -> Self {
        Self { path, file: None }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// One JSON object a line; the file exists only when there is something in it.
    pub(super) fn write(&mut self, line: u64, code: &str, reason: &str) -> io::Result<()> {
        let entry = serde_json::json!({"line": line, "code": code, "reason": reason});
        writeln!(self.open()?, "{entry}")
    }

    fn open(&mut self) -> io::Result<&mut File> {
        let file = match self.file.take() {
            Some(file) => file,
            None => OpenOptions::new().create(true).append(true).open(&self.path)?,
        };
        Ok(self.file.insert(file))
    }
}
