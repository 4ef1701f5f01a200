//! Leases: which worker holds which lanes, agreed upon in Postgres by its own clock.

use deadpool_postgres::{Object, Pool, Transaction};
use tokio_postgres::Row;

use crate::checkpoint;
use crate::error::Fault;
use crate::lane::Lane;
use crate::projections::{self, VERSIONS};

/// Between two looks of a worker at the leases.
pub(crate) const LOOK_EVERY: std::time::Duration = std::time::Duration::from_secs(1);

/// Held during a look, so that two workers never share out the same lanes.
const ADVISORY_LOCK: i64 = 0x6b65_6570_6c61_6e65;

const LOCK: &str = "
-- lock_leases()
SELECT pg_advisory_xact_lock($1)";

/// Six looks may fail before a worker is taken for dead.
const RENEW: &str = "
-- renew_lease()
INSERT INTO keepsake.worker (worker, expires_at, fingerprints) VALUES ($1, clock_timestamp() + interval '6 s', $2)
ON CONFLICT (worker) DO UPDATE SET expires_at = excluded.expires_at";

/// Also of a lease that a clock gave which is not this one any more.
const FORGET_THE_DEAD: &str = "
-- forget_dead_workers()
DELETE FROM keepsake.worker WHERE expires_at NOT BETWEEN clock_timestamp() AND clock_timestamp() + interval '6 s'";

/// Of the tracks this worker can fold; `workers` are those who can, too.
const LANES: &str = "
-- lanes()
SELECT l.track, l.first_pp, l.last_pp, l.epoch, w.worker AS holder,
       ARRAY(SELECT able.worker FROM keepsake.worker able WHERE able.fingerprints @> needed.fingerprints) AS workers
FROM (SELECT track, array_agg(fingerprint) AS fingerprints FROM keepsake.generation GROUP BY track) AS needed
JOIN keepsake.lane l ON l.track = needed.track
LEFT JOIN keepsake.worker w ON w.worker = l.holder
WHERE needed.fingerprints <@ $1::text[]
ORDER BY l.track, l.first_pp";

const VERIFIED: &str = "
-- verified_positions()
SELECT v.projection, v.pp, v.position
FROM keepsake.verified v
JOIN keepsake.generation g ON g.generation = v.generation AND g.state = 'live'
JOIN keepsake.lane l ON l.track = g.track AND v.pp BETWEEN l.first_pp AND l.last_pp
WHERE l.holder = $1";

const ASKED: &str = "
-- lanes_that_are_asked()
SELECT track, first_pp, last_pp, epoch
FROM keepsake.lane l
WHERE holder = $1
  AND EXISTS (SELECT FROM keepsake.parking_request r JOIN keepsake.generation g ON g.generation = r.generation
              WHERE g.track = l.track AND r.pp BETWEEN l.first_pp AND l.last_pp)";

/// Passes over a lane that a transaction holds at this moment: everybody's looks would wait for it.
const TAKE: &str = "
-- take_lane()
UPDATE keepsake.lane SET holder = $3, epoch = nextval('keepsake.lane_epoch')
WHERE (track, first_pp) = (SELECT track, first_pp FROM keepsake.lane WHERE track = $1 AND first_pp = $2 AND epoch = $4
                           FOR UPDATE SKIP LOCKED)
RETURNING track, first_pp, last_pp, epoch";

const LEAVE: &str = "
-- leave_lane()
UPDATE keepsake.lane SET holder = NULL WHERE track = $1 AND first_pp = $2 AND epoch = $3";

const DIE: &str = "
-- end_lease()
DELETE FROM keepsake.worker WHERE worker = $1";

/// How the lanes are shared out.
#[derive(Debug)]
pub(crate) struct Share {
    /// This worker's.
    pub(crate) mine: Vec<Lane>,
    /// Of these tracks others have fewer than their part, and this worker more: how many it should let go of.
    pub(crate) too_many: Vec<(i64, usize)>,
    /// Up to where the proof was found right: projection, partition, position.
    pub(crate) verified: Vec<(usize, u32, u64)>,
    /// Those of its lanes in which guests are to be tried again or skipped.
    pub(crate) asked: Vec<Lane>,
}

/// This process among the workers.
pub(crate) struct Lease {
    pool: Pool,
    worker: String,
    /// What it can fold.
    fingerprints: Vec<String>,
}

impl Lease {
    pub(crate) fn new(pool: Pool) -> Self {
        let worker = format!("worker_{}", runtime::clock::random_id().simple());
        Self { pool, worker, fingerprints: VERSIONS.iter().map(|version| version.fingerprint.clone()).collect() }
    }

    /// Says that this worker is alive, and takes of the lanes that nobody alive holds up to its part.
    pub(crate) async fn look(&self) -> Result<Share, Fault> {
        let mut connection = self.pool.get().await?;
        checkpoint::check_versions(&connection).await?;
        let transaction = connection.transaction().await?;
        let share = self.share(&transaction).await?;
        transaction.commit().await?;
        Ok(share)
    }

    async fn share(&self, transaction: &Transaction<'_>) -> Result<Share, Fault> {
        transaction.execute(LOCK, &[&ADVISORY_LOCK]).await?;
        transaction.execute(RENEW, &[&self.worker, &self.fingerprints]).await?;
        transaction.execute(FORGET_THE_DEAD, &[]).await?;
        let lanes = transaction.query(LANES, &[&self.fingerprints]).await?;
        let lanes = lanes.iter().map(held).collect::<Result<Vec<_>, Fault>>()?;
        let mut mine: Vec<Lane> =
            lanes.iter().filter(|held| held.holder.as_deref() == Some(&*self.worker)).map(|held| held.lane).collect();
        let mut too_many = Vec::new();
        for of_track in lanes.chunk_by(|one, next| one.lane.track == next.lane.track) {
            let Plan { take, leave } = plan(&self.worker, of_track);
            too_many.extend(of_track.first().map(|held| (held.lane.track, leave)));
            for Lane { track, first_pp, epoch, .. } in take {
                // A re-cut may have been faster, or whoever held it still writes.
                if let Some(row) = transaction.query_opt(TAKE, &[&track, &first_pp, &self.worker, &epoch]).await? {
                    mine.push(lane_in(&row)?);
                }
            }
        }
        let verified = transaction.query(VERIFIED, &[&self.worker]).await?;
        let verified = verified.iter().filter_map(|row| verified_in(row).transpose()).collect::<Result<_, _>>()?;
        let asked = transaction.query(ASKED, &[&self.worker]).await?;
        let asked = asked.iter().map(lane_in).collect::<Result<_, _>>()?;
        Ok(Share { mine, too_many, verified, asked })
    }

    /// Lets go of a lane that is no longer folded.
    pub(crate) async fn leave(&self, lane: Lane) -> Result<(), Fault> {
        let connection: Object = self.pool.get().await?;
        connection.execute(LEAVE, &[&lane.track, &lane.first_pp, &lane.epoch]).await?;
        Ok(())
    }

    /// Lets go of everything.
    pub(crate) async fn end(&self) -> Result<(), Fault> {
        let connection: Object = self.pool.get().await?;
        connection.execute(DIE, &[&self.worker]).await?;
        Ok(())
    }
}

struct Held {
    lane: Lane,
    /// None when it is dead, or there is none.
    holder: Option<String>,
    /// Everybody alive who can fold it.
    workers: Vec<String>,
}

fn held(row: &Row) -> Result<Held, Fault> {
    Ok(Held { lane: lane_in(row)?, holder: row.try_get("holder")?, workers: row.try_get("workers")? })
}

fn lane_in(row: &Row) -> Result<Lane, Fault> {
    Ok(Lane {
        track: row.try_get("track")?,
        first_pp: row.try_get("first_pp")?,
        last_pp: row.try_get("last_pp")?,
        epoch: row.try_get("epoch")?,
    })
}

fn verified_in(row: &Row) -> Result<Option<(usize, u32, u64)>, Fault> {
    let (pp, position): (i16, i64) = (row.try_get("pp")?, row.try_get("position")?);
    let projection = projections::index_of(row.try_get("projection")?);
    Ok(projection.map(|projection| (projection, pp.cast_unsigned().into(), position.cast_unsigned())))
}

struct Plan {
    take: Vec<Lane>,
    leave: usize,
}

/// Of one track everybody gets as many lanes as everybody, some one more; they move only when somebody has fewer than that.
fn plan(me: &str, lanes: &[Held]) -> Plan {
    let workers = lanes.first().map_or(&[][..], |held| &held.workers);
    let held_by = |worker: &str| lanes.iter().filter(|held| held.holder.as_deref() == Some(worker)).count();
    let (each, most) = (lanes.len() / workers.len().max(1), lanes.len().div_ceil(workers.len().max(1)));
    let mine = held_by(me);
    let free = lanes.iter().filter(|held| held.holder.is_none()).map(|held| held.lane);
    let take: Vec<Lane> = free.take(most.saturating_sub(mine)).collect();
    let free_left = lanes.iter().filter(|held| held.holder.is_none()).count() - take.len();
    let hungry: usize = workers.iter().map(|worker| each.saturating_sub(held_by(worker))).sum();
    let wanted = hungry.saturating_sub(free_left);
    Plan { take, leave: if wanted > 0 { mine.saturating_sub(each).min(wanted) } else { 0 } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(me: &str, workers: &[&str], holders: &[Option<&str>]) -> (usize, usize) {
        let workers: Vec<_> = workers.iter().map(|&worker| worker.to_owned()).collect();
        let held = |(first_pp, holder): (i16, Option<&str>)| Held {
            lane: Lane { track: 1, first_pp, last_pp: first_pp, epoch: 1 },
            holder: holder.map(ToOwned::to_owned),
            workers: workers.clone(),
        };
        let lanes: Vec<_> = (0..).zip(holders.iter().copied()).map(held).collect();
        let Plan { take, leave } = plan(me, &lanes);
        (take.len(), leave)
    }

    #[test]
    fn a_worker_alone_takes_everything() {
        assert_eq!(planned("a", &["a"], &[None; 4]), (4, 0));
        assert_eq!(planned("a", &["a"], &[Some("a"), None, None, Some("a")]), (2, 0));
    }

    #[test]
    fn a_newcomer_is_made_room_for_and_takes_what_is_let_go() {
        let before = [Some("a"), Some("a"), Some("a"), Some("a")];
        assert_eq!(planned("b", &["a", "b"], &before), (0, 0));
        assert_eq!(planned("a", &["a", "b"], &before), (0, 2));
        assert_eq!(planned("b", &["a", "b"], &[Some("a"), Some("a"), None, None]), (2, 0));
    }

    #[test]
    fn shares_that_differ_by_one_stay_as_they_are() {
        let shared = [Some("a"), Some("a"), Some("b"), Some("c")];
        for worker in ["a", "b", "c"] {
            assert_eq!(planned(worker, &["a", "b", "c"], &shared), (0, 0), "{worker}");
        }
    }

    #[test]
    fn whoever_finds_no_lane_stands_by() {
        assert_eq!(planned("c", &["a", "b", "c"], &[Some("a"), Some("b")]), (0, 0));
        assert_eq!(planned("a", &["a", "b", "c"], &[Some("a"), Some("b")]), (0, 0));
    }
}
