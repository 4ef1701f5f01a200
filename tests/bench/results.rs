//! `target/bench/results.json`: the rows of this run among those of earlier ones.

use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::Value;

use crate::row::Row;

pub(crate) struct Results {
    file: PathBuf,
    rows: Vec<Value>,
}

impl Results {
    /// What earlier runs left there.
    pub(crate) fn read() -> anyhow::Result<Self> {
        let program = std::env::current_exe()?;
        let target = program.ancestors().nth(3).context("the benchmark is not in target/<profile>/deps")?;
        let file = target.join("bench/results.json");
        let rows = match std::fs::read(&file) {
            Ok(text) => {
                let spoilt = || format!("{} is no list of results: remove it", file.display());
                serde_json::from_slice(&text).with_context(spoilt)?
            }
            Err(_) => Vec::new(),
        };
        Ok(Self { file, rows })
    }

    /// Puts a row in the place of the same row of an earlier run, and writes them all: a run that is stopped keeps what it has.
    pub(crate) fn put(&mut self, row: &Row) -> anyhow::Result<()> {
        let json = row.to_json()?;
        match self.rows.iter_mut().find(|known| known["name"] == json["name"]) {
            Some(known) => *known = json,
            None => self.rows.push(json),
        }
        let unwritable = || format!("{} cannot be written", self.file.display());
        std::fs::create_dir_all(self.file.parent().context("a file has a folder")?).with_context(unwritable)?;
        // The old file stays whole until the new one is.
        let new = self.file.with_extension("new");
        std::fs::write(&new, serde_json::to_string_pretty(&self.rows)? + "\n").with_context(unwritable)?;
        std::fs::rename(&new, &self.file).with_context(unwritable)
    }

    pub(crate) fn file(&self) -> &std::path::Path {
        &self.file
    }
}
