//! Where NATS is, and whose seeds there are to sign in with.

use std::path::{Path, PathBuf};

use runtime::config::{Env, Secret};

use crate::connect::LogError;
use crate::permissions::{Caller, User};

/// The servers, and the folder of the users that a process has.
#[derive(Clone, Debug)]
pub struct NatsAddress {
    /// `nats://host:4222`, or several, comma-separated.
    pub url: String,
    /// Each connection signs in with `<user>.nk` of this folder; without one all are anonymous, as an open server has it.
    pub users: Option<PathBuf>,
    /// Signs in with this one's seed whatever the connection is for: a caller's, say.
    pub user: Option<String>,
}

/// What a connection signs in with.
pub(crate) struct Login {
    pub(crate) seed: Secret,
    /// Prefix of its inboxes.
    pub(crate) inbox: String,
}

impl NatsAddress {
    /// A server that asks nobody who they are.
    pub fn open(url: impl Into<String>) -> Self {
        Self { url: url.into(), users: None, user: None }
    }

    /// `NATS_URL` and `KEEPSAKE_NATS_USERS`.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let url = env.required("NATS_URL", "the address of nats-server, nats://127.0.0.1:4222");
        let users = env.optional("KEEPSAKE_NATS_USERS", "the folder with the seeds of this process' NATS users");
        Some(Self { url: url?, users, user: None })
    }

    pub(crate) fn login(&self, user: User) -> Result<Option<Login>, LogError> {
        let Some(folder) = &self.users else { return Ok(None) };
        let name = self.user.as_deref().unwrap_or(user.name());
        let path = seed_file(folder, name);
        let seed = std::fs::read_to_string(&path).map_err(|cause| LogError::Seed { path, cause })?;
        let inbox = User::named(name).map_or_else(|| Caller::inbox().to_owned(), User::inbox);
        Ok(Some(Login { seed: Secret::new(seed.trim().to_owned()), inbox }))
    }
}

/// Where the seed of this user lies.
pub fn seed_file(folder: &Path, user: &str) -> PathBuf {
    folder.join(format!("{user}.nk"))
}
