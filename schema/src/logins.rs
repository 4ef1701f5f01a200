//! Databases and the logins of the services. All names and passwords are quoted by Postgres itself.

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::error::SchemaError;

const DATABASE_EXISTS: &str = "
-- database_exists()
SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)";

const CREATE_DATABASE: &str = "
-- create_database()
SELECT format('CREATE DATABASE %I', $1::text)";

const LOGIN_EXISTS: &str = "
-- login_exists()
SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)";

const CREATE_LOGIN: &str = "
-- create_login()
SELECT format('CREATE ROLE %I LOGIN', $1::text)";

const GRANT_LOGIN: &str = "
-- grant_login()
SELECT format('ALTER ROLE %1$I LOGIN PASSWORD %2$L; GRANT %3$I TO %1$I', $1::text, $2::text, $3::text)";

/// Held while a login is changed.
const GRANT_LOCK: i64 = 0x6b65_6570_6c6f_6769;

/// What a login of the read database may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// projection-workers: writes every read model, for all tenants.
    Writer,
    /// query-service: reads, one tenant at a time.
    Reader,
    /// command-service: reads the command log and nothing else.
    CommandReader,
}

impl Role {
    /// The role's name in Postgres.
    pub fn name(self) -> &'static str {
        match self {
            Self::Writer => "keepsake_writer",
            Self::Reader => "keepsake_reader",
            Self::CommandReader => "keepsake_command_reader",
        }
    }
}

/// Makes a database; one that is there already is left as it is. True when it was made.
pub async fn create_database(admin: &Client, name: &str) -> Result<bool, SchemaError> {
    if admin.query_one(DATABASE_EXISTS, &[&name]).await?.try_get(0)? {
        return Ok(false);
    }
    let create: String = admin.query_one(CREATE_DATABASE, &[&name]).await?.try_get(0)?;
    unless_made_meanwhile(admin.batch_execute(&create).await)
}

/// Makes a login if it is not there, sets its password and lets it act as the group role `group` ([`Role::name`], or a role of
/// the vault). Repeatable; the password may be any text without NUL.
pub async fn grant_login(admin: &Client, login: &str, password: &str, group: &str) -> Result<(), SchemaError> {
    if !admin.query_one(LOGIN_EXISTS, &[&login]).await?.try_get::<_, bool>(0)? {
        let create: String = admin.query_one(CREATE_LOGIN, &[&login]).await?.try_get(0)?;
        unless_made_meanwhile(admin.batch_execute(&create).await)?;
    }
    let grant: String = admin.query_one(GRANT_LOGIN, &[&login, &password, &group]).await?.try_get(0)?;
    // Logins belong to the cluster: two migrations that touch one at once would refuse each other.
    let alone = format!("BEGIN; SELECT pg_advisory_xact_lock({GRANT_LOCK}); {grant}; COMMIT");
    Ok(admin.batch_execute(&alone).await?)
}

/// Another process may have been faster.
fn unless_made_meanwhile(made: Result<(), tokio_postgres::Error>) -> Result<bool, SchemaError> {
    let there =
        [Some(&SqlState::DUPLICATE_DATABASE), Some(&SqlState::DUPLICATE_OBJECT), Some(&SqlState::UNIQUE_VIOLATION)];
    match made {
        Ok(()) => Ok(true),
        Err(error) if there.contains(&error.code()) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
