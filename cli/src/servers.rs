//! Finds or fetches nats-server and Postgres, and runs them privately: nothing system-wide, nothing left behind.
//!
//! Every server runs under [`guard`](crate::guard), so it ends with the process that started it, also after `kill -9`.

pub mod account;
mod advice;
pub mod disk;
pub mod external;
mod fetch;
mod guarded;
mod home;
pub mod lock;
mod log_tail;
mod nats;
pub(crate) mod orphans;
pub mod port;
mod postgres;
pub(crate) mod probe;
mod version;

use std::path::PathBuf;
use std::sync::Arc;

pub use guarded::{Guarded, Program, describe};
pub use home::{outside_path, private_home};
pub use nats::{Nats, NatsOptions};
pub use postgres::{Postgres, PostgresOptions};

/// Told in one line what is being done, while it is being done.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// What starting a server takes besides its own options.
#[derive(Clone)]
pub struct Tools {
    /// The built `keepsake`, whose hidden subcommand `guard` runs every server.
    pub keepsake: PathBuf,
    /// Where fetched servers are kept; shared by everything in this checkout.
    pub cache: PathBuf,
    pub say: Say,
}

impl Tools {
    /// Tools that say nothing, for tests.
    pub fn quiet(keepsake: PathBuf, cache: PathBuf) -> Self {
        Self { keepsake, cache, say: Arc::new(|_| {}) }
    }

    pub(crate) fn say(&self, line: &str) {
        (self.say)(line);
    }
}

/// This program, to be started once more.
pub fn own_executable() -> std::io::Result<PathBuf> {
    let path = std::env::current_exe()?;
    // A rebuild replaces the file under a running process; on Linux its old content is still there under this name.
    Ok(if path.exists() { path } else { PathBuf::from("/proc/self/exe") })
}

/// The first of these that is a program on PATH.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| is_program(file))
}

pub(crate) fn is_program(file: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
