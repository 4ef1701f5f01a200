//! The views in schema `read`: readers name tables there, and see those of the live generation.

use tokio_postgres::Transaction;
use tokio_postgres::error::SqlState;

use crate::error::SchemaError;

/// Who may see a table's rows may see its view.
const READERS: &str = "
-- readers_of_table()
SELECT string_agg(role, ', ') AS roles
FROM unnest(ARRAY['keepsake_reader', 'keepsake_writer', 'keepsake_command_reader']) AS role
WHERE has_table_privilege(role, $1, 'SELECT')";

const SAVEPOINT: &str = "SAVEPOINT before_view";

/// Shows these tables of a Postgres schema to readers. Whoever reads meanwhile finishes first; whoever comes then waits for the
/// transaction to end. A view whose columns stay is replaced, so that others may depend on it.
///
/// The view of the read model's own name comes first: whoever reads any of them holds that one.
pub(crate) async fn show(
    transaction: &Transaction<'_>,
    projection: &str,
    schema: &str,
    tables: &[String],
) -> Result<(), SchemaError> {
    let (own, others): (Vec<_>, Vec<_>) = tables.iter().partition(|table| *table == projection);
    for table in own.into_iter().chain(others) {
        let view = format!("VIEW read.{table} WITH (security_invoker = true) AS SELECT * FROM {schema}.{table}");
        transaction.batch_execute(SAVEPOINT).await?;
        match transaction.batch_execute(&format!("CREATE OR REPLACE {view}")).await {
            Ok(()) => {}
            Err(error) if error.code() == Some(&SqlState::INVALID_TABLE_DEFINITION) => {
                let anew = format!("ROLLBACK TO SAVEPOINT before_view; DROP VIEW read.{table}; CREATE {view}");
                transaction.batch_execute(&anew).await?;
            }
            Err(error) => return Err(error.into()),
        }
        let readers: String =
            transaction.query_one(READERS, &[&format!("{schema}.{table}")]).await?.try_get("roles")?;
        let grant = format!("RELEASE SAVEPOINT before_view; GRANT SELECT ON read.{table} TO {readers}");
        transaction.batch_execute(&grant).await?;
    }
    Ok(())
}

/// Takes the views of tables away that the generation which is live from now on does not have.
pub(crate) async fn hide(transaction: &Transaction<'_>, tables: &[String]) -> Result<(), SchemaError> {
    for table in tables {
        transaction.batch_execute(&format!("DROP VIEW read.{table}")).await?;
    }
    Ok(())
}
