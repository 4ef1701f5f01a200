//! The run folder: everything a checkout leaves on disk, in one place.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// `.run` and what lies in it.
#[derive(Clone, Debug)]
pub struct RunFolder(PathBuf);

impl RunFolder {
    /// The folder, created when it is not there yet.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let message = || format!("{} cannot be created", path.display());
        std::fs::create_dir_all(path).with_context(message)?;
        Ok(Self(path.canonicalize().with_context(message)?))
    }

    /// The folder, if something ever ran here.
    pub fn existing(path: &Path) -> Option<Self> {
        path.canonicalize().ok().map(Self)
    }

    /// Whether it holds what `up` puts there first, and is no checkout: `reset` deletes all that is in it.
    pub fn is_of_up(&self) -> bool {
        self.locks().is_dir() && !self.0.join(".git").exists()
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Held locked by the running `up`, whose process id it holds.
    pub fn pid_file(&self) -> PathBuf {
        self.0.join("up.pid")
    }

    /// `source .run/env`
    pub fn env_file(&self) -> PathBuf {
        self.0.join("env")
    }

    pub fn secrets(&self) -> PathBuf {
        self.0.join("secrets")
    }

    /// Seeds of NATS users, and what nats-server knows of them.
    pub fn nats_users(&self) -> PathBuf {
        self.secrets().join("nats")
    }

    /// Fetched servers, kept by `reset`.
    pub fn servers(&self) -> PathBuf {
        self.0.join("servers")
    }

    pub fn locks(&self) -> PathBuf {
        self.0.join("locks")
    }

    pub fn log(&self, name: &str) -> PathBuf {
        self.0.join("logs").join(format!("{name}.log"))
    }

    pub fn lock(&self, name: &str) -> PathBuf {
        self.locks().join(format!("{name}.lock"))
    }
}
