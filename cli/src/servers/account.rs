//! The account Postgres runs under when we are root, because it refuses to run as root.

use std::path::Path;

use anyhow::Context as _;
use nix::unistd::{User, geteuid};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
}

impl Account {
    /// `None` when we are not root: then everything runs as ourselves.
    pub fn unprivileged() -> anyhow::Result<Option<Self>> {
        if !geteuid().is_root() {
            return Ok(None);
        }
        let found = ["postgres", "nobody"].into_iter().find_map(|name| Self::named(name).ok());
        let message = "Postgres does not run as root and there is neither a user postgres nor nobody: create one";
        Ok(Some(found.context(message)?))
    }

    pub fn named(name: &str) -> anyhow::Result<Self> {
        let user = User::from_name(name)?.with_context(|| format!("there is no user {name}"))?;
        Ok(Self { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw() })
    }

    /// Turns this process into the account for good.
    #[cfg(target_os = "linux")]
    pub(crate) fn assume(&self) -> anyhow::Result<()> {
        use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};
        setgroups(&[])?;
        setgid(Gid::from_raw(self.gid))?;
        setuid(Uid::from_raw(self.uid))?;
        Ok(())
    }

    pub(crate) fn own(&self, path: &Path) -> anyhow::Result<()> {
        let message = || format!("{} cannot be given to the user {}", path.display(), self.name);
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid)).with_context(message)
    }
}
