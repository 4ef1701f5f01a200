//! Making and dropping one generation of a read model.

use tokio_postgres::Transaction;

use crate::error::SchemaError;
use crate::generation::{State, Version};
use crate::sources::{READ_MODELS, ReadModel};
use crate::{lane, track, view};

const NUMBER: &str = "
-- new_generation()
WITH next AS (SELECT nextval(pg_get_serial_sequence('keepsake.generation', 'generation'))::integer AS number)
INSERT INTO keepsake.generation (generation, projection, fingerprint, schema_name, tables, track, state)
OVERRIDING SYSTEM VALUE
SELECT number, $1, $2, 'read_' || $1 || '_' || number, '{}', $3, $4 FROM next
RETURNING generation, schema_name";

const TABLES: &str = "
-- tables_of_generation()
SELECT c.relname::text AS name FROM pg_class c WHERE c.relnamespace = to_regnamespace($1) AND c.relkind IN ('r', 'p') ORDER BY 1";

const NOTE: &str = "
-- note_tables()
UPDATE keepsake.generation SET tables = $2 WHERE generation = $1";

/// The same for every table, so that none can forget it. `%1$s` is a table.
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

const START_CHECKPOINTS: &str = "
-- start_checkpoints()
INSERT INTO keepsake.checkpoint (projection, generation, pp) SELECT $1, $2, pp FROM generate_series(0, 63) AS pp";

/// What was skipped stays skipped when a read model is folded anew; what is parked is tried again.
const STAY_SKIPPED: &str = "
-- stay_skipped()
INSERT INTO keepsake.parked_commit (tenant, owner, projection, generation, position, pp, skipped)
SELECT DISTINCT tenant, owner, projection, $2::integer, position, pp, true
FROM keepsake.parked_commit
WHERE projection = $1 AND skipped";

/// In this order, each by its generation's number.
const FORGET: [&str; 6] = [
    "DELETE FROM keepsake.parking_request WHERE generation = $1",
    "DELETE FROM keepsake.parked_guest WHERE generation = $1",
    "DELETE FROM keepsake.parked_commit WHERE generation = $1",
    "DELETE FROM keepsake.verified WHERE generation = $1",
    "DELETE FROM keepsake.checkpoint WHERE generation = $1",
    "DELETE FROM keepsake.generation WHERE generation = $1",
];

/// A read model's own names, found by the code of this crate at build time.
pub(crate) fn find(projection: &str) -> Option<&'static ReadModel> {
    READ_MODELS.iter().find(|model| model.name == projection)
}

/// Makes the tables of one more generation, in this track, to be folded from the first commit; its number is returned. Follow it
/// by [`lane::release`]: the track begins anew.
pub(crate) async fn make(
    transaction: &Transaction<'_>,
    model: &'static ReadModel,
    version: &Version,
    track: i64,
    state: State,
) -> Result<i32, SchemaError> {
    let made = transaction.query_one(NUMBER, &[&model.name, &version.fingerprint, &track, &state.name()]).await?;
    let (number, schema): (i32, String) = (made.try_get("generation")?, made.try_get("schema_name")?);
    // Of a folder's name, which is a Rust module's, and a number.
    let into_it = format!(
        "CREATE SCHEMA {schema}; GRANT USAGE ON SCHEMA {schema} TO keepsake_writer, keepsake_reader, keepsake_command_reader;
         SET LOCAL search_path = {schema}"
    );
    transaction.batch_execute(&into_it).await?;
    for file in model.files {
        let failed = |source| SchemaError::Sql { name: model.name, source };
        transaction.batch_execute(file.sql).await.map_err(failed)?;
    }
    let tables = transaction.query(TABLES, &[&schema]).await?;
    let tables = tables.iter().map(|row| row.try_get("name")).collect::<Result<Vec<String>, _>>()?;
    for table in &tables {
        let protect: String = transaction.query_one(PROTECT, &[&format!("{schema}.{table}")]).await?.try_get("sql")?;
        transaction.batch_execute(&protect).await?;
    }
    transaction.batch_execute("SET LOCAL search_path TO DEFAULT").await?;
    transaction.execute(NOTE, &[&number, &tables]).await?;
    transaction.execute(START_CHECKPOINTS, &[&model.name, &number]).await?;
    transaction.execute(STAY_SKIPPED, &[&model.name, &number]).await?;
    if state == State::Live {
        view::show(transaction, model.name, &schema, &tables).await?;
    }
    Ok(number)
}

/// Drops a generation with everything that is known of it. A live one takes its views along.
pub(crate) async fn forget(transaction: &Transaction<'_>, number: i32, schema: &str) -> Result<(), SchemaError> {
    for statement in FORGET {
        transaction.execute(statement, &[&number]).await?;
    }
    transaction.batch_execute(&format!("DROP SCHEMA {schema} CASCADE")).await?;
    track::drop_empty(transaction).await?;
    lane::release(transaction).await?;
    Ok(())
}
