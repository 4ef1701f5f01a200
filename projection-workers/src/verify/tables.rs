//! The tables of the read models, and a shadow of each to fold into again.

use deadpool_postgres::{ClientWrapper, Object, Pool};

use crate::error::Fault;
use crate::projections::VERSIONS;

/// Statements of projections name tables without a schema: here they can reach the shadows and nothing else.
const SESSION: &str = "
SET statement_timeout = '1h'; SET plan_cache_mode = force_custom_plan; SET search_path = pg_temp;
SET idle_in_transaction_session_timeout = 0";

const TABLES: &str = "
-- tables_of_read_models()
SELECT g.projection, g.generation, format('%I.%I', g.schema_name, c.relname) AS table, c.relname AS name,
       ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey)) AS key,
       (SELECT a.attname::text FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attname IN ('guest_id', 'owner') AND NOT a.attisdropped
        ORDER BY a.attname LIMIT 1) AS owner
FROM keepsake.generation g
JOIN pg_class c ON c.relnamespace = to_regnamespace(g.schema_name) AND c.relname = ANY (g.tables)
JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
WHERE g.state = 'live' AND g.fingerprint = ANY ($1)
ORDER BY g.projection, c.relname";

/// One table of a live generation that this binary can fold again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) projection: String,
    generation: i32,
    /// Of the live one, with its schema.
    pub(super) live: String,
    /// Of its shadow.
    pub(super) name: String,
    pub(super) key: Vec<String>,
    /// The column that says whose the row is; None when it is about many.
    pub(super) owner: Option<String>,
}

impl Table {
    /// As readers name it.
    pub(super) fn relation(&self) -> String {
        format!("read.{}", self.name)
    }
}

/// A connection with an empty shadow of every table, emptied again at the end of every transaction.
pub(super) async fn shadowed(pool: &Pool) -> Result<(ClientWrapper, Vec<Table>), Fault> {
    // Nobody else may ever be given a connection that has shadows.
    let connection = Object::take(pool.get().await?);
    connection.batch_execute(SESSION).await?;
    let tables = tables(&connection).await?;
    for Table { live, name, .. } in &tables {
        // Both were quoted or checked by Postgres when the read model was made.
        let shadow = format!(
            "CREATE TEMPORARY TABLE \"{name}\" (LIKE {live} INCLUDING DEFAULTS INCLUDING INDEXES) ON COMMIT DELETE ROWS"
        );
        connection.batch_execute(&shadow).await?;
    }
    Ok((connection, tables))
}

/// Those that are live, of all read models this binary can fold.
pub(super) async fn tables(connection: &ClientWrapper) -> Result<Vec<Table>, Fault> {
    let fingerprints: Vec<&str> = VERSIONS.iter().map(|version| version.fingerprint.as_str()).collect();
    let mut tables = Vec::new();
    for row in connection.query(TABLES, &[&fingerprints]).await? {
        tables.push(Table {
            projection: row.try_get("projection")?,
            generation: row.try_get("generation")?,
            live: row.try_get("table")?,
            name: row.try_get("name")?,
            key: row.try_get("key")?,
            owner: row.try_get("owner")?,
        });
    }
    Ok(tables)
}
