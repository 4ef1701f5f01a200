//! Brings a read database up to date, all of it or nothing.

use tokio_postgres::{Client, Transaction};

use crate::bootstrap::BOOTSTRAP;
use crate::error::SchemaError;
use crate::sources::{MIGRATIONS, READ_MODELS};
use crate::{catalog, lane, read_model};

/// Held while migrating, so that two processes starting at once do not collide.
const ADVISORY_LOCK: i64 = 0x6b65_6570_7265_6164;

const LOCK: &str = "
-- lock_for_migration()
SELECT pg_advisory_xact_lock($1)";

const APPLIED: &str = "
-- applied_migrations()
SELECT name, version FROM keepsake.migration ORDER BY name";

const NOTE: &str = "
-- note_migration()
INSERT INTO keepsake.migration (name, version) VALUES ($1, $2)";

/// What a migration did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Migrated {
    /// Append-only migrations that were applied.
    pub applied: Vec<String>,
    /// Read models that were not there before.
    pub created: Vec<String>,
    /// Read models whose SQL had changed: empty now, to be folded again from the log's start.
    pub rebuilt: Vec<String>,
    /// Read models that no longer exist here.
    pub dropped: Vec<String>,
}

/// Makes or updates roles, bookkeeping and every read model; repeatable. Workers that run meanwhile are fenced off the read
/// models that were rebuilt.
pub async fn migrate(client: &mut Client) -> Result<Migrated, SchemaError> {
    let transaction = client.transaction().await?;
    transaction.batch_execute("SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = '10min'").await?;
    transaction.execute(LOCK, &[&ADVISORY_LOCK]).await?;
    transaction.batch_execute(BOOTSTRAP).await?;
    let mut migrated = Migrated { applied: apply_migrations(&transaction).await?, ..Migrated::default() };
    lane::lock(&transaction).await?;
    migrated.dropped = read_model::drop_unknown(&transaction).await?;
    for model in READ_MODELS {
        match read_model::bring_up_to_date(&transaction, model).await? {
            read_model::Change::None => {}
            read_model::Change::Created => migrated.created.push(model.name.to_owned()),
            read_model::Change::Rebuilt => migrated.rebuilt.push(model.name.to_owned()),
        }
    }
    let faults = catalog::faults(&transaction).await?;
    if !faults.is_empty() {
        return Err(SchemaError::Unsafe(faults));
    }
    transaction.commit().await?;
    Ok(migrated)
}

async fn apply_migrations(transaction: &Transaction<'_>) -> Result<Vec<String>, SchemaError> {
    let mut known = MIGRATIONS.iter();
    for row in transaction.query(APPLIED, &[]).await? {
        let (name, version): (String, String) = (row.try_get("name")?, row.try_get("version")?);
        let file = known.next().filter(|file| file.name == name).ok_or(SchemaError::MigrationUnknown(name))?;
        if file.version() != version {
            return Err(SchemaError::MigrationChanged(file.name));
        }
    }
    let mut applied = Vec::new();
    for file in known {
        let failed = |source| SchemaError::Sql { name: file.name, source };
        transaction.batch_execute(file.sql).await.map_err(failed)?;
        transaction.execute(NOTE, &[&file.name, &file.version()]).await?;
        applied.push(file.name.to_owned());
    }
    Ok(applied)
}
