//! One read-only snapshot of one tenant's rows, in a single round trip to Postgres.

use std::time::Duration;

use deadpool_postgres::{Object, Pool, Timeouts};
use futures_util::future::{join_all, join5, try_join_all};
use runtime::tenant::Tenant;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use crate::error::Fault;
use crate::position::Position;
use crate::read::cluster::CLUSTER;
use crate::read::reach::{Progress, Reach, Stretch};

/// For a connection to come free; longer queues are refused.
const WAIT: Duration = Duration::from_millis(500);
/// For a connection to come free, and be made or found clean.
const CONNECT: Duration = Duration::from_secs(2);
/// After this long Postgres is taken for gone; its own statement timeout is shorter.
const DEADLINE: Duration = Duration::from_secs(6);

/// REPEATABLE READ: the position and the rows must come from one snapshot. Names are looked up as they are now, snapshot or not, so
/// the views are held before it is taken: a generation that becomes live meanwhile is read by the next transaction.
fn begin(models: Models) -> String {
    let views: Vec<_> = models.iter().chain(ALWAYS_READ).map(|model| format!("read.{model}")).collect();
    let views = views.join(", ");
    format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; LOCK TABLE {views} IN ACCESS SHARE MODE")
}

/// By the question whose rows a read may show.
const ALWAYS_READ: Models = &["identity", "tenant"];
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";

const SCOPE: &str = "
-- scope()
SELECT set_config('keepsake.tenant', $1, true)";

const PROGRESS: &str = "
-- progress()
SELECT projection, first_pp, last_pp, min(position) AS position
FROM keepsake.progress
GROUP BY projection, first_pp, last_pp
LIMIT 10000";

const PING: &str = "
-- ping()
SELECT position FROM keepsake.lane LIMIT 1";

/// The read models a read uses, by the names of their checkpoints.
pub(crate) type Models = &'static [&'static str];

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

/// What a read saw.
pub(crate) struct Snapshot<const N: usize> {
    /// What every read model has reached in the partitions of everybody whose rows may be in the answer.
    pub(crate) as_of: Position,
    /// From here on commits of some of them are set aside, and what they change is not in the answer.
    pub(crate) parked_from: Option<Position>,
    /// Those partitions, some perhaps more than once.
    pub(super) partitions: Vec<i16>,
    /// The id the guest of the reach goes by; `None` when nobody of that id is known.
    pub(crate) canonical_id: Option<String>,
    /// Whether nothing of the tenant is to be shown.
    pub(super) suspended: bool,
    /// What the tenant's settings say; 0 when they say nothing.
    pub(super) requests_per_s: u32,
    /// Of each query.
    pub(crate) rows: [Vec<Row>; N],
}

/// Runs `queries` as `tenant`.
pub(crate) async fn take<const N: usize>(
    pool: &Pool,
    tenant: &Tenant,
    reach: &Reach,
    queries: &[Query; N],
) -> Result<Snapshot<N>, Fault> {
    let (seen, rows) =
        within_deadline(pool, async |connection| up_to_date(connection, tenant.as_str(), reach, queries).await).await?;
    let suspended = seen.try_get::<_, Option<bool>>("tenant_suspended")?.ok_or(Fault::TenantUnknown)?;
    let rows = rows.try_into().expect("there are as many results as queries");
    Ok(Snapshot {
        as_of: Position(seen.try_get("position")?),
        parked_from: seen.try_get::<_, Option<i64>>("parked_from")?.map(Position),
        partitions: seen.try_get("partitions")?,
        canonical_id: seen.try_get("canonical_id")?,
        suspended,
        requests_per_s: u32::try_from(seen.try_get::<_, i64>("tenant_requests_per_s")?).unwrap_or_default(),
        rows,
    })
}

/// How far every read model is, lane by lane.
pub(crate) async fn progress(pool: &Pool) -> Result<Progress, Fault> {
    let rows = within_deadline(pool, async |connection| {
        let statement = connection.prepare_cached(PROGRESS).await?;
        connection.query(&statement, &[]).await
    });
    let stretch = |row: &Row| {
        Ok(Stretch {
            model: row.try_get("projection")?,
            first_pp: row.try_get("first_pp")?,
            last_pp: row.try_get("last_pp")?,
            position: Position(row.try_get("position")?),
        })
    };
    rows.await?.iter().map(stretch).collect::<Result<_, _>>().map(Progress)
}

/// Whether the read database answers this role.
pub(crate) async fn ping(pool: &Pool) -> Result<(), Fault> {
    within_deadline(pool, async |connection| connection.batch_execute(PING).await).await
}

/// Where another generation became live since a statement was prepared, the types of its columns may be others, too.
async fn up_to_date<const N: usize>(
    connection: &Object,
    tenant: &str,
    reach: &Reach,
    queries: &[Query; N],
) -> Result<(Row, Vec<Vec<Row>>), tokio_postgres::Error> {
    match transaction(connection, tenant, reach, queries).await {
        Err(error) if error.code() == Some(&SqlState::FEATURE_NOT_SUPPORTED) => {
            connection.batch_execute(ROLLBACK).await?;
            connection.statement_cache.clear();
            transaction(connection, tenant, reach, queries).await
        }
        done => done,
    }
}

/// All statements leave in one write and are answered in one round trip: the futures are polled in this order, and the first
/// poll of each puts its statement on the wire. If an earlier one fails, Postgres refuses the later ones.
async fn transaction<const N: usize>(
    connection: &Object,
    tenant: &str,
    reach: &Reach,
    queries: &[Query; N],
) -> Result<(Row, Vec<Vec<Row>>), tokio_postgres::Error> {
    let scope = connection.prepare_cached(SCOPE).await?;
    let cluster = connection.prepare_cached(CLUSTER).await?;
    let prepared = try_join_all(queries.iter().map(|query| connection.prepare_cached(query.sql))).await?;
    let parameters: Vec<_> = queries.iter().map(Query::parameters).collect();
    let opening = begin(reach.models);
    let rows = prepared.iter().zip(&parameters).map(|(statement, parameters)| connection.query(statement, parameters));
    let (begun, scoped, seen, rows, ended) = join5(
        connection.batch_execute(&opening),
        connection.query_one(&scope, &[&tenant]),
        connection.query_one(&cluster, &[&tenant, &reach.guest_id, &reach.models, &reach.partitions]),
        join_all(rows),
        connection.batch_execute(COMMIT),
    )
    .await;
    begun?;
    scoped?;
    // The first that failed says why; those after it were refused unseen.
    let seen = seen?;
    let rows = rows.into_iter().collect::<Result<Vec<_>, _>>()?;
    ended?;
    Ok((seen, rows))
}

/// Runs `work` on a pooled connection; one that does not answer in time is closed rather than given to the next request.
async fn within_deadline<T>(
    pool: &Pool,
    work: impl AsyncFnOnce(&Object) -> Result<T, tokio_postgres::Error>,
) -> Result<T, Fault> {
    let connection = connection(pool).await?;
    if let Ok(done) = tokio::time::timeout(DEADLINE, work(&connection)).await {
        return Ok(done?);
    }
    drop(Object::take(connection));
    Err(Fault::DatabaseAway("no answer in time".to_owned()))
}

async fn connection(pool: &Pool) -> Result<Object, Fault> {
    let timeouts = Timeouts { wait: Some(WAIT), create: None, recycle: None };
    // Of a pool whose connections all hang, each is tried in turn: the limit is for all of them together.
    let connection = tokio::time::timeout(CONNECT, pool.timeout_get(&timeouts)).await;
    Ok(connection.map_err(|_| Fault::DatabaseAway("no connection in time".to_owned()))??)
}
