//! Brings a read database up to date, all of it or nothing.

use tokio_postgres::{Client, Transaction};

use crate::bootstrap::BOOTSTRAP;
use crate::error::SchemaError;
use crate::generation::{Generation, State, Version, generations};
use crate::sources::MIGRATIONS;
use crate::{catalog, lane, read_model, track};

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
    /// Read models that were not there before: empty, and live at once.
    pub created: Vec<String>,
    /// Read models that another version of keepsake made. A generation of this one was begun beside theirs, which stays live until
    /// somebody switches.
    pub begun: Vec<String>,
    /// Read models that this version does not have; they stay until somebody drops them.
    pub unknown: Vec<String>,
}

/// Makes or updates roles and bookkeeping, and begins a generation of every read model that none is of these versions of;
/// repeatable, and whoever folds or reads what is there goes on.
pub async fn migrate(client: &mut Client, versions: &[Version]) -> Result<Migrated, SchemaError> {
    let transaction = client.transaction().await?;
    transaction.batch_execute("SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = '10min'").await?;
    transaction.execute(LOCK, &[&ADVISORY_LOCK]).await?;
    transaction.batch_execute(BOOTSTRAP).await?;
    let mut migrated = Migrated { applied: apply_migrations(&transaction).await?, ..Migrated::default() };
    begin_generations(&transaction, versions, &mut migrated).await?;
    let faults = catalog::faults(&transaction).await?;
    if !faults.is_empty() {
        return Err(SchemaError::Unsafe(faults));
    }
    transaction.commit().await?;
    Ok(migrated)
}

async fn begin_generations(
    transaction: &Transaction<'_>,
    versions: &[Version],
    migrated: &mut Migrated,
) -> Result<(), SchemaError> {
    lane::alone(transaction).await?;
    let there = generations(transaction).await?;
    let is_known = |projection: &str| versions.iter().any(|version| version.projection == projection);
    let unknown = there.iter().filter(|generation| generation.is_live() && !is_known(&generation.projection));
    migrated.unknown = unknown.map(|generation| generation.projection.clone()).collect();
    // Of a database that is new everything begins together.
    let mut first = None;
    for version in versions {
        let mut of_it = there.iter().filter(|generation| generation.projection == version.projection);
        if of_it.clone().any(|generation| generation.fingerprint == version.fingerprint) {
            continue;
        }
        let model = read_model::find(version.projection).ok_or_else(|| SchemaError::NoSql(version.projection))?;
        lane::settle(transaction).await?;
        let name = version.projection.to_owned();
        if of_it.any(Generation::is_live) {
            let track = track::new(transaction, track::LANES, true).await?;
            read_model::make(transaction, model, version, track, State::Building).await?;
            migrated.begun.push(name);
        } else {
            let track = match first.filter(|_| there.is_empty()) {
                Some(track) => track,
                None => *first.insert(track::new(transaction, track::LANES, false).await?),
            };
            read_model::make(transaction, model, version, track, State::Live).await?;
            migrated.created.push(name);
        }
        lane::release(transaction).await?;
    }
    track::split(transaction, versions).await?;
    track::gather(transaction, versions).await
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
