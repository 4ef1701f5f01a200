//! Who signs in at a test's nats-servers: Keepsake's own users, its callers, and the test itself, which may do everything.

use std::path::{Path, PathBuf};

use event_log::permissions::{Caller, Permissions};
use event_log::{NatsAddress, seed_file};
use keepsake_cli::nats_users::{UsersFolder, text};
use nkeys::KeyPair;

/// The test's own user, in the account of the log.
pub const TEST: &str = "test";

/// A folder as `keepsake nats-users` makes it, and what the servers include.
pub struct Logins {
    folder: PathBuf,
    test: String,
}

impl Logins {
    /// With no caller.
    pub fn make(folder: &Path) -> Self {
        let users = UsersFolder::at(folder);
        users.make().expect("users");
        let test = KeyPair::new_user();
        std::fs::write(seed_file(folder, TEST), test.seed().expect("a seed")).expect("writes");
        let logins = Self { folder: folder.to_owned(), test: test.public_key() };
        logins.write();
        logins
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What nats-server includes: what `keepsake nats-users` writes, and the test's own user.
    pub fn config(&self) -> PathBuf {
        self.folder.join("with-test.conf")
    }

    /// Admits a caller of these tenants, as soon as the servers look again.
    pub fn admit(&self, name: &str, tenants: &[&str]) {
        let tenants = tenants.iter().map(|tenant| tenant.parse().expect("a token")).collect();
        UsersFolder::at(&self.folder).admit(&Caller { name: name.to_owned(), tenants }, None).expect("a caller");
        self.write();
    }

    /// The opposite; the seed is still there, as a caller would have kept it.
    pub(super) fn revoke(&self, name: &str) {
        let seed = std::fs::read(seed_file(&self.folder, name)).expect("a seed");
        UsersFolder::at(&self.folder).revoke(name).expect("a caller");
        std::fs::write(seed_file(&self.folder, name), seed).expect("writes");
        self.write();
    }

    pub(super) fn address(&self, url: String, user: Option<&str>) -> NatsAddress {
        NatsAddress { url, users: Some(self.folder.clone()), user: user.map(str::to_owned) }
    }

    pub(super) fn address_of_test(&self, url: String) -> NatsAddress {
        self.address(url, Some(TEST))
    }

    fn write(&self) {
        let mut accounts = UsersFolder::at(&self.folder).accounts().expect("the users");
        let everything = Permissions { publish: vec![">".to_owned()], subscribe: vec![">".to_owned()] };
        let ours = accounts.remove(0).with(TEST, self.test.clone(), everything);
        accounts.insert(0, ours);
        std::fs::write(self.config(), text(&accounts)).expect("writes");
    }
}
