//! One snapshot of many guests of a tenant, for those whose answer is plain: nothing about them but their own rows.
//!
//! Each part of a statement is a search in one index. A join would be planned anew for every size a tenant has.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use deadpool_postgres::Pool;
use proto::subject::{LogSubject, Owner};
use runtime::tenant::Tenant;
use tokio_postgres::Row;

use super::Models;
use super::transaction::{Query, run};
use crate::database::{DatabaseFault, within_deadline};
use crate::position::Position;

/// Rows of one result. What may have more than that is for reads of one guest each.
const MOST_ROWS: usize = 10_000;
/// Owners of a tenant that are parked. Where there are more, every guest is taken for one of them.
const MOST_PARKED: usize = 1_000;

/// Whether anything is read of tenant `$1` at all, which of its owners are parked in whatever read model, and how far the lanes are
/// that fold the read models `$2`. A partition may be further than its lane, for a moment after lanes were cut anew: whoever asks for
/// that much is answered by a read of its own.
const STANDING: &str = "
-- standing()
SELECT suspended_at IS NOT NULL AS suspended, requests_per_s,
       ARRAY(SELECT owner FROM keepsake.parked_guest WHERE tenant = $1 LIMIT 1000) AS parked,
       lanes.*
FROM read.tenant
CROSS JOIN (
  SELECT array_agg(first_pp) AS first_pps, array_agg(last_pp) AS last_pps, array_agg(position) AS positions
  FROM keepsake.lane
  WHERE track = ANY (ARRAY(SELECT track FROM keepsake.generation WHERE state = 'live' AND projection = ANY ($2)))
  LIMIT 1
) AS lanes
WHERE tenant = $1
LIMIT 1";

/// Of the guest of a row `own`: the position of its identity, if it is known by this very id, and whether others were merged into it.
macro_rules! identity_of_own {
    () => {
        "(SELECT position FROM read.identity
        WHERE tenant = $1 AND guest_id = own.guest_id AND canonical_id = own.guest_id LIMIT 1) AS identity_position,
       (SELECT true FROM read.identity_absorbed WHERE tenant = $1 AND guest_id = own.guest_id LIMIT 1) AS is_merged"
    };
}
pub(crate) use identity_of_own;

/// What is read of each guest.
pub(crate) struct Kind {
    pub(crate) models: Models,
    /// Of tenant `$1`, a row for each of the guests `$2` there is one of, with `guest_id` and [`identity_of_own`]; 10,000 at most. A guest
    /// without a row is not plain.
    pub(crate) rows: &'static str,
}

/// What there is of one guest.
pub(crate) struct Plain {
    pub(crate) as_of: Position,
    /// What the tenant's settings say; 0 when they say nothing.
    pub(super) requests_per_s: u32,
    /// Of the guest's row in the read model of identities.
    pub(crate) identity_position: i64,
    /// Shared by all who ask for the guest.
    pub(crate) row: Arc<Row>,
}

/// In the order of `guests`: those who are plain, `None` for all others.
pub(super) async fn take(
    pool: &Pool,
    tenant: &Tenant,
    kind: &Kind,
    guests: &[String],
) -> Result<Vec<Option<Plain>>, DatabaseFault> {
    let own = partition(tenant, Owner::tenant());
    let partitions: Vec<_> =
        guests.iter().map(|guest| Owner::parse_guest(guest).map(|owner| partition(tenant, owner))).collect();
    let standing = Query::new(STANDING).with(tenant.to_string()).with(kind.models);
    let rows = Query::new(kind.rows).with(tenant.to_string()).with(guests.to_vec());
    let queries = [&standing, &rows];
    let seen = within_deadline(pool, async |connection| run(connection, tenant, kind.models, &queries).await).await?;
    Ok(Seen::in_results(seen, own)?.of(guests, &partitions))
}

fn partition(tenant: &Tenant, owner: Owner) -> i16 {
    i16::from(LogSubject::new(tenant.clone(), owner).partition())
}

/// What the snapshot showed of all of them; nobody is in it while the tenant is not what it should be.
#[derive(Default)]
struct Seen {
    requests_per_s: u32,
    parked: Vec<String>,
    lanes: Vec<(RangeInclusive<i16>, i64)>,
    /// How far the tenant's own rows are.
    own: i64,
    guests: HashMap<String, (i64, Arc<Row>)>,
}

impl Seen {
    /// The results are of [`STANDING`] and of the kind.
    fn in_results(results: Vec<Vec<Row>>, own: i16) -> Result<Self, tokio_postgres::Error> {
        let is_whole = results.iter().all(|result| result.len() < MOST_ROWS);
        let mut results = results.into_iter();
        let [standing, rows] = std::array::from_fn(|_| results.next().unwrap_or_default());
        let Some(standing) = standing.first().filter(|_| is_whole) else { return Ok(Self::default()) };
        let parked: Vec<String> = standing.try_get("parked")?;
        let tenants_own = Owner::tenant();
        let is_parked = parked.len() == MOST_PARKED || parked.iter().any(|owner| owner == tenants_own.as_str());
        if is_parked || standing.try_get("suspended")? {
            return Ok(Self::default());
        }
        let lanes = lanes_in(standing)?;
        Ok(Self {
            requests_per_s: u32::try_from(standing.try_get::<_, i64>("requests_per_s")?).unwrap_or_default(),
            parked,
            own: reached(&lanes, own).unwrap_or_default(),
            lanes,
            guests: guests_in(rows)?,
        })
    }

    fn of(&self, guests: &[String], partitions: &[Option<i16>]) -> Vec<Option<Plain>> {
        guests.iter().zip(partitions).map(|(guest, partition)| self.one(guest, (*partition)?)).collect()
    }

    fn one(&self, guest: &str, partition: i16) -> Option<Plain> {
        let reached = reached(&self.lanes, partition)?;
        if self.parked.iter().any(|parked| parked == guest) {
            return None;
        }
        let (identity_position, row) = self.guests.get(guest)?;
        Some(Plain {
            as_of: Position(reached.min(self.own)),
            requests_per_s: self.requests_per_s,
            identity_position: *identity_position,
            row: Arc::clone(row),
        })
    }
}

/// Those who are known by their own id and nobody else's.
fn guests_in(rows: Vec<Row>) -> Result<HashMap<String, (i64, Arc<Row>)>, tokio_postgres::Error> {
    let mut guests = HashMap::with_capacity(rows.len());
    for row in rows {
        let (position, is_merged): (Option<i64>, Option<bool>) =
            (row.try_get("identity_position")?, row.try_get("is_merged")?);
        if let Some(position) = position.filter(|_| is_merged.is_none()) {
            guests.insert(row.try_get("guest_id")?, (position, Arc::new(row)));
        }
    }
    Ok(guests)
}

/// None at all is no array.
fn lanes_in(standing: &Row) -> Result<Vec<(RangeInclusive<i16>, i64)>, tokio_postgres::Error> {
    let first: Option<Vec<i16>> = standing.try_get("first_pps")?;
    let last: Option<Vec<i16>> = standing.try_get("last_pps")?;
    let positions: Option<Vec<i64>> = standing.try_get("positions")?;
    let partitions = first.into_iter().flatten().zip(last.into_iter().flatten()).map(|(first, last)| first..=last);
    Ok(partitions.zip(positions.into_iter().flatten()).collect())
}

/// Of lanes of several tracks the one furthest behind.
fn reached(lanes: &[(RangeInclusive<i16>, i64)], partition: i16) -> Option<i64> {
    lanes.iter().filter(|(partitions, _)| partitions.contains(&partition)).map(|(_, position)| *position).min()
}
