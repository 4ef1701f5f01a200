//! One read-only transaction of one tenant's: all it asks leaves in one write, and is answered in one round trip to Postgres.

use deadpool_postgres::Object;
use futures_util::future::{join_all, join3, try_join_all};
use runtime::tenant::Tenant;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use super::Models;

/// By the question whose rows a read may show.
const ALWAYS_READ: Models = &["identity", "tenant"];
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";

/// One statement of a read, and its parameters.
pub(crate) struct Query {
    sql: &'static str,
    parameters: Vec<Box<dyn ToSql + Send + Sync>>,
}

impl Query {
    pub(crate) fn new(sql: &'static str) -> Self {
        Self { sql, parameters: Vec::new() }
    }

    #[must_use]
    pub(crate) fn with(mut self, parameter: impl ToSql + Send + Sync + 'static) -> Self {
        self.parameters.push(Box::new(parameter));
        self
    }

    fn parameters(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.parameters.iter().map(|parameter| &**parameter as &(dyn ToSql + Sync)).collect()
    }
}

/// The rows of each query, seen as `tenant`, all in one snapshot.
pub(super) async fn run(
    connection: &Object,
    tenant: &Tenant,
    models: Models,
    queries: &[&Query],
) -> Result<Vec<Vec<Row>>, tokio_postgres::Error> {
    match try_run(connection, tenant, models, queries).await {
        // Where another generation became live since a statement was prepared, the types of its columns may be others, too.
        Err(error) if error.code() == Some(&SqlState::FEATURE_NOT_SUPPORTED) => {
            connection.batch_execute(ROLLBACK).await?;
            connection.statement_cache.clear();
            try_run(connection, tenant, models, queries).await
        }
        done => done,
    }
}

/// The futures are polled in this order, and the first poll of each puts its statement on the wire. If an earlier one fails,
/// Postgres refuses the later ones, and the last ends the transaction in any case.
async fn try_run(
    connection: &Object,
    tenant: &Tenant,
    models: Models,
    queries: &[&Query],
) -> Result<Vec<Vec<Row>>, tokio_postgres::Error> {
    let prepared = try_join_all(queries.iter().map(|query| connection.prepare_cached(query.sql))).await?;
    let parameters: Vec<_> = queries.iter().map(|query| query.parameters()).collect();
    let opening = opening(tenant, models);
    let rows = prepared.iter().zip(&parameters).map(|(statement, parameters)| connection.query(statement, parameters));
    let (begun, rows, ended) =
        join3(connection.batch_execute(&opening), join_all(rows), connection.batch_execute(COMMIT)).await;
    begun?;
    // The first that failed says why; those after it were refused unseen.
    let rows = rows.into_iter().collect::<Result<Vec<_>, _>>()?;
    ended?;
    Ok(rows)
}

/// REPEATABLE READ: the position and the rows must come from one snapshot. Names are looked up as they are now, snapshot or not, so
/// the views are held before it is taken: a generation that becomes live meanwhile is read by the next transaction.
///
/// The tenant holds until the transaction ends. Its name stands between quotes: no character a tenant may have ends them.
fn opening(tenant: &Tenant, models: Models) -> String {
    let others = models.iter().filter(|model| !ALWAYS_READ.contains(model));
    let views: Vec<_> = ALWAYS_READ.iter().chain(others).map(|model| format!("read.{model}")).collect();
    let views = views.join(", ");
    format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; LOCK TABLE {views} IN ACCESS SHARE MODE; SET LOCAL keepsake.tenant = '{tenant}'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_view_is_held_once_before_anything_is_seen() {
        let tenant = "demo".parse().expect("a token");
        let opening = opening(&tenant, &["tenant", "identity", "profile"]);
        let (views, scope) = ("read.identity, read.tenant, read.profile", "SET LOCAL keepsake.tenant = 'demo'");
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        assert_eq!(opening, format!("{begin}; LOCK TABLE {views} IN ACCESS SHARE MODE; {scope}"));
    }

    #[test]
    fn no_tenant_can_end_its_quotes() {
        for name in ["a'b", "a\\b", "a b", "a;b", "'", ""] {
            assert!(name.parse::<Tenant>().is_err(), "{name}");
        }
    }
}
