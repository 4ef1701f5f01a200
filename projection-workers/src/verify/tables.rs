//! The tables of the read models, and a shadow of each to fold into again.

use deadpool_postgres::{ClientWrapper, Object, Pool};

use crate::error::Fault;

/// Statements of projections name tables without a schema: here they can reach the shadows and nothing else.
const SESSION: &str = "
SET statement_timeout = '1h'; SET plan_cache_mode = force_custom_plan; SET search_path = pg_temp;
SET idle_in_transaction_session_timeout = 0";

const TABLES: &str = "
-- tables_of_read_models()
SELECT m.name AS projection, c.oid::regclass::text AS table, c.relname AS name,
       ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey)) AS key,
       (SELECT a.attname::text FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attname IN ('guest_id', 'owner') AND NOT a.attisdropped
        ORDER BY a.attname LIMIT 1) AS owner
FROM keepsake.read_model m
JOIN pg_class c ON c.oid = ANY (m.tables::regclass[]::oid[])
JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
ORDER BY m.name, c.relname";

/// One table of a read model.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) projection: String,
    /// Of the live one, with its schema.
    pub(super) live: String,
    /// Of its shadow.
    pub(super) name: String,
    pub(super) key: Vec<String>,
    /// The column that says whose the row is; None when it is about many.
    pub(super) owner: Option<String>,
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

async fn tables(connection: &ClientWrapper) -> Result<Vec<Table>, Fault> {
    let mut tables = Vec::new();
    for row in connection.query(TABLES, &[]).await? {
        tables.push(Table {
            projection: row.try_get("projection")?,
            live: row.try_get("table")?,
            name: row.try_get("name")?,
            key: row.try_get("key")?,
            owner: row.try_get("owner")?,
        });
    }
    Ok(tables)
}
