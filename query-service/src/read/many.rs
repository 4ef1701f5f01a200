//! One snapshot of many guests of a tenant, for those whose answer is plain: nothing about them but their own rows.

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

/// Whether anything is read of tenant `$1` at all, and which of the owners `$3`, or the tenant itself, are parked in the read
/// models `$2`.
const STANDING: &str = "
-- standing()
SELECT suspended_at IS NOT NULL AS suspended, requests_per_s,
       ARRAY(SELECT owner
             FROM keepsake.parked_guest
             WHERE tenant = $1 AND projection = ANY ($2) AND owner = ANY ($3)
               AND generation IN (SELECT generation FROM keepsake.generation WHERE state = 'live')
             LIMIT 1000) AS parked
FROM read.tenant
WHERE tenant = $1
LIMIT 1";

/// How far the lanes are that fold the read models `$1`. A partition may be further than its lane, for a moment after lanes were cut
/// anew: whoever asks for that much is answered by a read of its own.
const LANES: &str = "
-- lanes()
SELECT first_pp, last_pp, position
FROM keepsake.lane
WHERE track IN (SELECT track FROM keepsake.generation WHERE state = 'live' AND projection = ANY ($1))
LIMIT 10000";

/// What is read of each guest.
pub(crate) struct Kind {
    pub(crate) models: Models,
    /// Of tenant `$1`, one row with `guest_id` for each of the guests `$2` that is known, was never merged with anybody, and has
    /// all its rows.
    pub(crate) sql: &'static str,
}

/// One guest's row.
pub(crate) struct Plain {
    pub(crate) as_of: Position,
    /// What the tenant's settings say; 0 when they say nothing.
    pub(super) requests_per_s: u32,
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
    let owners: Vec<String> = guests.iter().cloned().chain([Owner::tenant().to_string()]).collect();
    let standing = Query::new(STANDING).with(tenant.to_string()).with(kind.models).with(owners);
    let lanes = Query::new(LANES).with(kind.models);
    let rows = Query::new(kind.sql).with(tenant.to_string()).with(guests.to_vec());
    let queries = [&standing, &lanes, &rows];
    let seen =
        within_deadline(pool, async |connection| run(connection, tenant.as_str(), kind.models, &queries).await).await?;
    let [standing, lanes, rows] = seen.try_into().expect("there are as many results as queries");
    Ok(Seen::in_rows(&standing, &lanes, rows, own)?.of(guests, &partitions))
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
    rows: HashMap<String, Arc<Row>>,
}

impl Seen {
    fn in_rows(standing: &[Row], lanes: &[Row], rows: Vec<Row>, own: i16) -> Result<Self, tokio_postgres::Error> {
        let Some(standing) = standing.first() else { return Ok(Self::default()) };
        let parked: Vec<String> = standing.try_get("parked")?;
        let tenants_own = Owner::tenant();
        if standing.try_get("suspended")? || parked.iter().any(|owner| owner == tenants_own.as_str()) {
            return Ok(Self::default());
        }
        let lane = |row: &Row| Ok((row.try_get("first_pp")?..=row.try_get("last_pp")?, row.try_get("position")?));
        let lanes = lanes.iter().map(lane).collect::<Result<Vec<_>, tokio_postgres::Error>>()?;
        let by_guest = rows.into_iter().map(|row| Ok((row.try_get("guest_id")?, Arc::new(row))));
        Ok(Self {
            requests_per_s: u32::try_from(standing.try_get::<_, i64>("requests_per_s")?).unwrap_or_default(),
            parked,
            own: reached(&lanes, own).unwrap_or_default(),
            lanes,
            rows: by_guest.collect::<Result<_, tokio_postgres::Error>>()?,
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
        let row = Arc::clone(self.rows.get(guest)?);
        Some(Plain { as_of: Position(reached.min(self.own)), requests_per_s: self.requests_per_s, row })
    }
}

/// Of lanes of several tracks the one furthest behind.
fn reached(lanes: &[(RangeInclusive<i16>, i64)], partition: i16) -> Option<i64> {
    lanes.iter().filter(|(partitions, _)| partitions.contains(&partition)).map(|(_, position)| *position).min()
}
