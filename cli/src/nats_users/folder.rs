//! The folder of the users: a seed for each, and for each caller which tenants are its own.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use event_log::permissions::Caller;
use event_log::{User, seed_file};
use nkeys::{KeyPair, KeyPairType};
use proto::subject::Tenant;
use serde::{Deserialize, Serialize};

use super::config::{self, Account};
use crate::up::secrets;

const NOT_NAMES: [&str; 1] = [event_log::permissions::ACCOUNT];

pub struct UsersFolder(PathBuf);

/// A caller, and the public key it signs in with.
#[derive(Clone, Debug)]
pub struct Known {
    pub caller: Caller,
    pub public_key: String,
}

/// What is kept of a caller beside its seed.
#[derive(Deserialize, Serialize)]
struct Kept {
    public_key: String,
    tenants: Vec<String>,
}

impl UsersFolder {
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// What nats-server includes.
    pub fn config(&self) -> PathBuf {
        self.0.join("users.conf")
    }

    /// Makes the seeds that are not there yet.
    pub fn make(&self) -> anyhow::Result<()> {
        let callers = self.0.join("callers");
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&callers);
        made.with_context(|| format!("{} cannot be created", callers.display()))?;
        User::ALL.into_iter().try_for_each(|user| self.seed(user.name()).map(drop))
    }

    /// The user's public key, when its seed is here.
    pub fn public_key(&self, user: User) -> anyhow::Result<Option<String>> {
        let path = seed_file(&self.0, user.name());
        path.exists().then(|| public_key(&path)).transpose()
    }

    /// Writes down which tenants are this caller's. It has the key it gives, or one whose seed is made here, or the one it had.
    pub fn admit(&self, caller: &Caller, given: Option<&str>) -> anyhow::Result<()> {
        let Caller { name, tenants } = caller;
        let is_taken = User::named(name).is_some() || NOT_NAMES.contains(&name.as_str());
        if name.parse::<Tenant>().is_err() || is_taken {
            bail!(
                "{name} is no name for a caller: 1 to 64 characters of A-Z, a-z, 0-9, _ and -, and no user's of Keepsake"
            );
        }
        let public_key = match given {
            Some(key) => checked(key)?,
            None => self.key_of(name)?,
        };
        let kept = Kept { public_key, tenants: tenants.iter().map(Tenant::to_string).collect() };
        secrets::write(&self.caller_file(name), serde_json::to_string_pretty(&kept)?.as_bytes())
    }

    fn key_of(&self, name: &str) -> anyhow::Result<String> {
        let (seed, kept) = (seed_file(&self.0, name), self.caller_file(name));
        if !seed.exists() && kept.exists() { Ok(read(&kept)?.public_key) } else { self.seed(name) }
    }

    /// Forgets a caller and its seed.
    pub fn revoke(&self, name: &str) -> anyhow::Result<()> {
        let known = self.callers()?.into_iter().any(|known| known.caller.name == name);
        anyhow::ensure!(known, "there is no caller {name}: `keepsake nats-users list` shows those there are");
        let kept = self.caller_file(name);
        fs::remove_file(&kept).with_context(|| format!("{} cannot be deleted", kept.display()))?;
        let seed = seed_file(&self.0, name);
        if seed.exists() {
            fs::remove_file(&seed).with_context(|| format!("{} cannot be deleted", seed.display()))?;
        }
        Ok(())
    }

    /// Sorted by name.
    pub fn callers(&self) -> anyhow::Result<Vec<Known>> {
        let folder = self.0.join("callers");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", folder.display())),
        };
        let mut callers = Vec::new();
        for entry in entries {
            let path = entry?.path();
            let name = path.file_stem().and_then(|name| name.to_str()).map(str::to_owned);
            let Some(name) = name.filter(|_| path.extension().is_some_and(|extension| extension == "json")) else {
                continue;
            };
            let Kept { public_key, tenants } = read(&path)?;
            let tenants: Result<BTreeSet<Tenant>, _> = tenants.iter().map(|tenant| tenant.parse()).collect();
            let tenants = tenants.with_context(|| format!("{} names something that is no tenant", path.display()))?;
            callers.push(Known { caller: Caller { name, tenants }, public_key: checked(&public_key)? });
        }
        callers.sort_by(|one, other| one.caller.name.cmp(&other.caller.name));
        Ok(callers)
    }

    /// Everybody nats-server is to know.
    pub fn accounts(&self) -> anyhow::Result<Vec<Account>> {
        let mut ours = Vec::new();
        for user in User::ALL {
            let missing = || format!("the seed of {} is not here: make the users first", user.name());
            ours.push((user.name().to_owned(), self.public_key(user)?.with_context(missing)?, user.permissions()));
        }
        let callers = self.callers()?.into_iter().map(|Known { caller, public_key }| Account::of(&caller, public_key));
        Ok([Account::ours(ours)].into_iter().chain(callers).collect())
    }

    /// Writes what nats-server includes, whole or not at all; there is no secret in it.
    pub fn write_config(&self, path: &Path) -> anyhow::Result<()> {
        let text = config::text(&self.accounts()?);
        let (message, partial) = (|| format!("{} cannot be written", path.display()), path.with_added_extension("new"));
        fs::write(&partial, text).and_then(|()| fs::rename(&partial, path)).with_context(message)
    }

    /// The public key to the seed of this name, which is made when it is not there.
    fn seed(&self, name: &str) -> anyhow::Result<String> {
        let path = seed_file(&self.0, name);
        if !path.exists() {
            secrets::write(&path, KeyPair::new_user().seed().context("an nkey has no seed")?.as_bytes())?;
        }
        public_key(&path)
    }

    fn caller_file(&self, name: &str) -> PathBuf {
        self.0.join("callers").join(format!("{name}.json"))
    }
}

fn read(path: &Path) -> anyhow::Result<Kept> {
    let message = || format!("{} cannot be read", path.display());
    let text = fs::read_to_string(path).with_context(message)?;
    serde_json::from_str(&text).with_context(message)
}

fn public_key(seed: &Path) -> anyhow::Result<String> {
    let message = || format!("{} holds no seed of an nkey", seed.display());
    let text = fs::read_to_string(seed).with_context(message)?;
    let pair = KeyPair::from_seed(text.trim()).with_context(message)?;
    anyhow::ensure!(pair.key_pair_type() == KeyPairType::User, "{} is no user's", message());
    Ok(pair.public_key())
}

fn checked(public_key: &str) -> anyhow::Result<String> {
    let pair = KeyPair::from_public_key(public_key).context("that is no public nkey");
    let is_user = pair?.key_pair_type() == KeyPairType::User;
    anyhow::ensure!(is_user, "that is no user's public nkey, which begins with U");
    Ok(public_key.to_owned())
}
