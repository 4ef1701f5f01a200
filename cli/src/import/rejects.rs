//! The lines that were not taken, with their numbers and reasons.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

pub(super) struct Rejects {
    path: PathBuf,
    /// Goes on with the file of the interrupted import.
    append: bool,
    file: Option<File>,
}

/// Beside where the import is started: the folder of the input may not be writable.
pub(super) fn default_path(input: &Path) -> PathBuf {
    let name = input.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    PathBuf::from(format!("{name}.rejects"))
}

impl Rejects {
    pub(super) fn new(path: PathBuf, append: bool) -> Self {
        Self { path, append, file: None }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// One JSON object a line; the file exists only when there is something in it.
    pub(super) fn write(&mut self, line: u64, code: &str, reason: &str) -> io::Result<()> {
        if self.file.is_none() {
            let mut options = OpenOptions::new();
            options.create(true).write(true).append(self.append).truncate(!self.append);
            self.file = Some(options.open(&self.path)?);
        }
        let entry = serde_json::json!({"line": line, "code": code, "reason": reason});
        self.file.as_mut().map_or(Ok(()), |file| writeln!(file, "{entry}"))
    }
}
