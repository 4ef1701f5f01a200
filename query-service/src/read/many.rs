//! One snapshot of many guests of a tenant, for those whose answer is plain: nothing about them but their own rows.
//!
//! Each statement is a search for all of them in one index. A join would be planned anew for every size a tenant has.

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

/// Which of the guests `$2` are known by this very id, and which of them others were merged into.
const IDENTITIES: &str = "
-- identities()
SELECT guest_id, position, false AS is_merged
FROM read.identity
WHERE tenant = $1 AND guest_id = ANY ($2) AND canonical_id = guest_id
UNION ALL
SELECT guest_id, 0, true
FROM read.identity_absorbed
WHERE tenant = $1 AND guest_id = ANY ($2)
LIMIT 10000";

/// What is read of each guest. Each statement finds, of tenant `$1`, rows with `guest_id` of the guests `$2`, 10,000 at most.
pub(crate) struct Kind {
    pub(crate) models: Models,
    /// One row; a guest without it is not plain.
    pub(crate) own: &'static str,
    /// Any number of others.
    pub(crate) more: Option<&'static str>,
}

/// What there is of one guest.
pub(crate) struct Plain {
    pub(crate) as_of: Position,
    /// What the tenant's settings say; 0 when they say nothing.
    pub(super) requests_per_s: u32,
    pub(crate) rows: Arc<Rows>,
}

/// Shared by all who ask for the guest.
pub(crate) struct Rows {
    /// Of the guest's row in the read model of identities.
    pub(crate) identity_position: i64,
    pub(crate) own: Row,
    pub(crate) more: Vec<Row>,
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
    let of_guests = |sql| Query::new(sql).with(tenant.to_string()).with(guests.to_vec());
    let of_guests: Vec<_> = [IDENTITIES, kind.own].into_iter().chain(kind.more).map(of_guests).collect();
    let queries: Vec<_> = std::iter::once(&standing).chain(&of_guests).collect();
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
    guests: HashMap<String, Arc<Rows>>,
}

impl Seen {
    /// The results are of [`STANDING`], of [`IDENTITIES`], and of each statement of the kind.
    fn in_results(results: Vec<Vec<Row>>, own: i16) -> Result<Self, tokio_postgres::Error> {
        let is_whole = results.iter().all(|result| result.len() < MOST_ROWS);
        let mut results = results.into_iter();
        let [standing, identities, rows, more] = std::array::from_fn(|_| results.next().unwrap_or_default());
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
            guests: guests_in(&identities, rows, more)?,
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
        let rows = Arc::clone(self.guests.get(guest)?);
        Some(Plain { as_of: Position(reached.min(self.own)), requests_per_s: self.requests_per_s, rows })
    }
}

/// Those who are known by their own id and nobody else's.
fn guests_in(
    identities: &[Row],
    rows: Vec<Row>,
    more: Vec<Row>,
) -> Result<HashMap<String, Arc<Rows>>, tokio_postgres::Error> {
    let (mut positions, mut merged): (HashMap<&str, i64>, Vec<&str>) = (HashMap::new(), Vec::new());
    for row in identities {
        let guest = row.try_get("guest_id")?;
        if row.try_get("is_merged")? {
            merged.push(guest);
        } else {
            positions.insert(guest, row.try_get("position")?);
        }
    }
    for guest in merged {
        positions.remove(guest);
    }
    let mut guests: HashMap<String, Rows> = HashMap::with_capacity(rows.len());
    for own in rows {
        let guest: &str = own.try_get("guest_id")?;
        if let Some(identity_position) = positions.get(guest).copied() {
            guests.insert(guest.to_owned(), Rows { identity_position, own, more: Vec::new() });
        }
    }
    for row in more {
        if let Some(rows) = guests.get_mut(row.try_get::<_, &str>("guest_id")?) {
            rows.more.push(row);
        }
    }
    Ok(guests.into_iter().map(|(guest, rows)| (guest, Arc::new(rows))).collect())
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
