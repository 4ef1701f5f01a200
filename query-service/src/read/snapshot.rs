//! What one read saw, of one guest and those it was merged with or of everybody: rows, and how far the read models were.

use deadpool_postgres::Pool;
use runtime::tenant::Tenant;
use tokio_postgres::Row;

use super::cluster::CLUSTER;
use super::reach::Reach;
use super::transaction::{Query, run};
use crate::database::within_deadline;
use crate::error::Fault;
use crate::position::Position;

/// What a read saw.
pub(crate) struct Snapshot<const N: usize> {
    /// What every read model has reached in the partitions of everybody whose rows may be in the answer.
    pub(crate) as_of: Position,
    /// From here on commits of some of them are set aside, and what they change is not in the answer.
    pub(crate) parked_from: Option<Position>,
    /// Those partitions, some perhaps more than once.
    pub(crate) partitions: Vec<i16>,
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
pub(super) async fn take<const N: usize>(
    pool: &Pool,
    tenant: &Tenant,
    reach: &Reach,
    queries: &[Query; N],
) -> Result<Snapshot<N>, Fault> {
    let cluster = Query::new(CLUSTER).with(tenant.to_string()).with(reach.guest_id.clone());
    let cluster = cluster.with(reach.models).with(reach.partitions.clone());
    let all: Vec<_> = std::iter::once(&cluster).chain(queries).collect();
    let mut rows = within_deadline(pool, async |connection| run(connection, tenant, reach.models, &all).await).await?;
    let of_queries = rows.split_off(1);
    let seen = rows.first().and_then(|rows| rows.first()).expect("this query has one row, whomever it is about");
    let suspended = seen.try_get::<_, Option<bool>>("tenant_suspended")?.ok_or(Fault::TenantUnknown)?;
    Ok(Snapshot {
        as_of: Position(seen.try_get("position")?),
        parked_from: seen.try_get::<_, Option<i64>>("parked_from")?.map(Position),
        partitions: seen.try_get("partitions")?,
        canonical_id: seen.try_get("canonical_id")?,
        suspended,
        requests_per_s: u32::try_from(seen.try_get::<_, i64>("tenant_requests_per_s")?).unwrap_or_default(),
        rows: of_queries.try_into().expect("there are as many results as queries"),
    })
}
