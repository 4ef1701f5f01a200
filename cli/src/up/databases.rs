//! The databases and the login of each service: what the migration makes, and the URLs the services get.

use anyhow::Context as _;
use event_log::NatsAddress;

use super::{RunFolder, secrets};

/// A login role, and the role whose rights it has.
#[derive(Clone, Debug)]
pub struct Login {
    pub role: &'static str,
    pub name: &'static str,
    pub password: String,
}

/// What the migration makes ready; running it again changes nothing.
#[derive(Clone, Debug)]
pub struct MigrateOptions {
    /// A superuser, or a role that may create databases and roles; its database exists.
    pub admin_url: String,
    pub nats: NatsAddress,
    /// Name of the database of the read models.
    pub read_models: String,
    /// Name of the database of the vault.
    pub vault: String,
    /// One for each thing a service may do; `name` tells them apart.
    pub logins: Vec<Login>,
}

/// Role, login, and whether it works in the vault's database.
const LOGINS: [(&str, &str, bool); 6] = [
    ("keepsake_writer", "keepsake_writer_login", false),
    ("keepsake_reader", "keepsake_reader_login", false),
    ("keepsake_command_reader", "keepsake_command_reader_login", false),
    ("keepsake_vault_keeper", "keepsake_vault_keeper_login", true),
    ("keepsake_vault_opener", "keepsake_vault_opener_login", true),
    ("keepsake_vault_lookup", "keepsake_vault_lookup_login", true),
];
const READ_MODELS: &str = "keepsake";

impl MigrateOptions {
    /// `database` is the one of `DATABASE_URL`, when the Postgres is somebody else's.
    pub fn new(
        folder: &RunFolder,
        admin_url: &str,
        nats: &NatsAddress,
        database: Option<&str>,
    ) -> anyhow::Result<Self> {
        let login = |&(role, name, _): &(&'static str, &'static str, bool)| -> anyhow::Result<Login> {
            Ok(Login { role, name, password: secrets::password(&folder.secrets(), name)? })
        };
        let read_models = database.unwrap_or(READ_MODELS).to_owned();
        Ok(Self {
            admin_url: admin_url.to_owned(),
            nats: nats.clone(),
            vault: format!("{read_models}_vault"),
            read_models,
            logins: LOGINS.iter().map(login).collect::<anyhow::Result<_>>()?,
        })
    }

    /// The URL of one login, into the database it works in.
    pub fn login_url(&self, login: &str) -> anyhow::Result<String> {
        let found = self.logins.iter().find(|known| known.name == login).context("no such login")?;
        let in_vault = LOGINS.iter().any(|(_, name, in_vault)| *name == login && *in_vault);
        let database = if in_vault { &self.vault } else { &self.read_models };
        Ok(DatabaseUrl::parse(&self.admin_url)?.with(found.name, &found.password, database))
    }

    /// The superuser's URL into the database of the read models.
    pub fn read_models_url(&self) -> anyhow::Result<String> {
        Ok(DatabaseUrl::parse(&self.admin_url)?.into_database(&self.read_models))
    }
}

/// A `postgres://` URL in its parts, as they are written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DatabaseUrl<'a> {
    user_info: &'a str,
    host: &'a str,
    pub(super) database: &'a str,
    /// With its question mark.
    query: &'a str,
}

impl<'a> DatabaseUrl<'a> {
    pub(super) fn parse(url: &'a str) -> anyhow::Result<Self> {
        let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
        let rest = rest.context("DATABASE_URL must look like postgres://user:password@host:port/database")?;
        let (rest, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (user_info, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        anyhow::ensure!(
            !database.is_empty(),
            "DATABASE_URL must name a database: postgres://user:password@host:port/database"
        );
        Ok(Self { user_info, host, database, query })
    }

    fn with(&self, user: &str, password: &str, database: &str) -> String {
        format!("postgres://{user}:{password}@{}/{database}{}", self.host, self.query)
    }

    fn into_database(self, database: &str) -> String {
        let at = if self.user_info.is_empty() { "" } else { "@" };
        format!("postgres://{}{at}{}/{database}{}", self.user_info, self.host, self.query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_keeps_its_host_and_parameters_for_every_login() {
        let url = DatabaseUrl::parse("postgresql://me:p%40s@db:5433/shop?sslmode=prefer").unwrap();
        assert_eq!((url.user_info, url.host, url.database), ("me:p%40s", "db:5433", "shop"));
        assert_eq!(url.with("w", "s", "shop_vault"), "postgres://w:s@db:5433/shop_vault?sslmode=prefer");
        assert_eq!(url.into_database("x"), "postgres://me:p%40s@db:5433/x?sslmode=prefer");
    }

    #[test]
    fn a_url_without_a_database_is_refused() {
        assert!(DatabaseUrl::parse("postgres://db:5432").is_err());
        assert!(DatabaseUrl::parse("host=db dbname=shop").is_err());
    }

    #[test]
    fn each_login_works_in_its_own_database() {
        let folder = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(folder.path()).unwrap();
        let nats = NatsAddress::open("nats://h");
        let options = MigrateOptions::new(&folder, "postgres://a:b@h:1/postgres", &nats, None).unwrap();
        assert!(options.login_url("keepsake_reader_login").unwrap().ends_with("@h:1/keepsake"));
        assert!(options.login_url("keepsake_vault_lookup_login").unwrap().ends_with("@h:1/keepsake_vault"));
        assert_eq!(options.read_models_url().unwrap(), "postgres://a:b@h:1/keepsake");
    }
}
