//! Creates the vault's tables and the three roles that may use them.

use tokio_postgres::Client;

const MIGRATIONS: &str = include_str!("../migrations.sql");

/// Held while migrating, so that two processes starting at once do not collide.
const ADVISORY_LOCK: i64 = 0x6b65_6570_7661_756c;

/// What a login of the vault's database may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// command-service: registers identifiers, makes and deletes keys.
    Keeper,
    /// projection-workers: reads keys.
    Opener,
    /// query-service: resolves identifiers.
    Lookup,
}

impl Role {
    /// The role's name in Postgres.
    pub fn name(self) -> &'static str {
        match self {
            Self::Keeper => "keepsake_vault_keeper",
            Self::Opener => "keepsake_vault_opener",
            Self::Lookup => "keepsake_vault_lookup",
        }
    }
}

/// Brings the vault's database up to date; repeatable.
pub async fn migrate(client: &mut Client) -> Result<(), tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&ADVISORY_LOCK]).await?;
    transaction.batch_execute(MIGRATIONS).await?;
    transaction.commit().await
}
