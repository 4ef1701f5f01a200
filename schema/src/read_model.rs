//! Making, dropping and rebuilding one read model.

use tokio_postgres::{GenericClient, Transaction};

use crate::error::SchemaError;
use crate::lane;
use crate::sources::{READ_MODELS, ReadModel};

const KNOWN: &str = "
-- known_read_models()
SELECT name, version FROM keepsake.read_model";

const BUILT: &str = "
-- built_read_model()
SELECT version, tables FROM keepsake.read_model WHERE name = $1";

const TABLES: &str = "
-- tables_of_schema_read()
SELECT format('%I.%I', nspname, relname) AS name
FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname = 'read' AND relkind IN ('r', 'p')
ORDER BY 1";

/// The same for every read model, so that none can forget it. `%1$s` is a table.
const PROTECT: &str = "
-- protect_table()
SELECT format('
ALTER TABLE %1$s ENABLE ROW LEVEL SECURITY;
ALTER TABLE %1$s FORCE ROW LEVEL SECURITY;
CREATE POLICY reader ON %1$s FOR SELECT TO keepsake_reader
  USING (tenant = NULLIF(current_setting(''keepsake.tenant'', true), ''''));
CREATE POLICY writer ON %1$s TO keepsake_writer USING (true) WITH CHECK (true);
GRANT SELECT ON %1$s TO keepsake_reader;
GRANT SELECT, INSERT, UPDATE, DELETE ON %1$s TO keepsake_writer;
', $1::text) AS sql";

const NOTE: &str = "
-- note_read_model()
INSERT INTO keepsake.read_model (name, version, tables) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET version = excluded.version, tables = excluded.tables, built_at = now()";

const FORGET_CHECKPOINTS: &str = "
-- forget_checkpoints()
DELETE FROM keepsake.checkpoint WHERE projection = $1";

const FORGET_VERIFIED: &str = "
-- forget_verified()
DELETE FROM keepsake.verified WHERE projection = $1";

/// What was skipped stays skipped when the read model is folded anew; what is parked is tried again.
const FORGET_PARKED: &str = "
-- forget_parked()
WITH guests AS (DELETE FROM keepsake.parked_guest WHERE projection = $1),
     requests AS (DELETE FROM keepsake.parking_request WHERE projection = $1)
DELETE FROM keepsake.parked_commit WHERE projection = $1 AND NOT skipped";

const FORGET_SKIPPED: &str = "
-- forget_skipped()
DELETE FROM keepsake.parked_commit WHERE projection = $1";

const START_CHECKPOINTS: &str = "
-- start_checkpoints()
INSERT INTO keepsake.checkpoint (projection, pp) SELECT $1, pp FROM generate_series(0, 63) AS pp";

const FORGET: &str = "
-- forget_read_model()
DELETE FROM keepsake.read_model WHERE name = $1";

pub(crate) enum Change {
    None,
    Created,
    Rebuilt,
}

/// The names of the read models there are: each is a folder, a projection and a checkpoint alike.
pub fn read_models() -> impl Iterator<Item = &'static str> {
    READ_MODELS.iter().map(|model| model.name)
}

/// The read models that are missing in a database or were built from other SQL than this binary's; they need [`crate::migrate`].
pub async fn outdated(client: &impl GenericClient) -> Result<Vec<&'static str>, tokio_postgres::Error> {
    let mut built = Vec::new();
    for row in client.query(KNOWN, &[]).await? {
        built.push((row.try_get::<_, String>("name")?, row.try_get::<_, String>("version")?));
    }
    let current = |model: &&ReadModel| built.contains(&(model.name.to_owned(), model.version()));
    Ok(READ_MODELS.iter().filter(|model| !current(model)).map(|model| model.name).collect())
}

pub(crate) async fn bring_up_to_date(
    transaction: &Transaction<'_>,
    model: &'static ReadModel,
) -> Result<Change, SchemaError> {
    let Some(built) = transaction.query_opt(BUILT, &[&model.name]).await? else {
        create(transaction, model).await?;
        return Ok(Change::Created);
    };
    if built.try_get::<_, String>("version")? == model.version() {
        return Ok(Change::None);
    }
    drop_tables(transaction, &built.try_get::<_, Vec<String>>("tables")?).await?;
    create(transaction, model).await?;
    Ok(Change::Rebuilt)
}

/// Drops the read models whose folder is gone: nobody would fold, correct or erase in them any more.
pub(crate) async fn drop_unknown(transaction: &Transaction<'_>) -> Result<Vec<String>, SchemaError> {
    let mut dropped = Vec::new();
    for row in transaction.query(KNOWN, &[]).await? {
        let name: String = row.try_get("name")?;
        if read_models().all(|known| known != name) {
            let built = transaction.query_one(BUILT, &[&name]).await?;
            drop_tables(transaction, &built.try_get::<_, Vec<String>>("tables")?).await?;
            transaction.execute(FORGET, &[&name]).await?;
            transaction.execute(FORGET_CHECKPOINTS, &[&name]).await?;
            transaction.execute(FORGET_VERIFIED, &[&name]).await?;
            transaction.execute(FORGET_PARKED, &[&name]).await?;
            transaction.execute(FORGET_SKIPPED, &[&name]).await?;
            dropped.push(name);
        }
    }
    Ok(dropped)
}

async fn create(transaction: &Transaction<'_>, model: &'static ReadModel) -> Result<(), SchemaError> {
    let before = tables(transaction).await?;
    for file in model.files {
        let failed = |source| SchemaError::Sql { name: model.name, source };
        transaction.batch_execute(file.sql).await.map_err(failed)?;
    }
    let mut made = tables(transaction).await?;
    made.retain(|table| !before.contains(table));
    for table in &made {
        let protect: String = transaction.query_one(PROTECT, &[table]).await?.try_get("sql")?;
        let failed = |source| SchemaError::Sql { name: model.name, source };
        transaction.batch_execute(&protect).await.map_err(failed)?;
    }
    transaction.execute(NOTE, &[&model.name, &model.version(), &made]).await?;
    restart(transaction, model.name).await?;
    Ok(())
}

/// To be folded from the first commit. Workers that still fold the former tables lose their lanes.
async fn restart(transaction: &Transaction<'_>, name: &str) -> Result<(), tokio_postgres::Error> {
    lane::settle(transaction).await?;
    transaction.execute(FORGET_CHECKPOINTS, &[&name]).await?;
    transaction.execute(FORGET_VERIFIED, &[&name]).await?;
    transaction.execute(FORGET_PARKED, &[&name]).await?;
    transaction.execute(START_CHECKPOINTS, &[&name]).await?;
    lane::release(transaction).await
}

async fn tables(transaction: &Transaction<'_>) -> Result<Vec<String>, SchemaError> {
    Ok(transaction.query(TABLES, &[]).await?.iter().map(|row| row.try_get("name")).collect::<Result<_, _>>()?)
}

async fn drop_tables(transaction: &Transaction<'_>, tables: &[String]) -> Result<(), SchemaError> {
    for table in tables {
        // The name was quoted by Postgres when it was noted.
        transaction.batch_execute(&format!("DROP TABLE IF EXISTS {table}")).await?;
    }
    Ok(())
}
