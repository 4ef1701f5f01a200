//! How far the read models of a lane are folded, with the proof of it, and from which log.

use std::sync::Arc;

use deadpool_postgres::{ClientWrapper, Object, Pool};
use event_log::LogInfo;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use crate::error::Fault;
use crate::lane::Lane;
use crate::metrics::LaneMetrics;
use crate::projections::{self, VERSIONS};
use crate::proof::Proof;
use crate::track::Track;

const CHECKPOINTS: &str = "
-- lane_checkpoints()
SELECT g.projection, g.generation, g.fingerprint, g.schema_name, g.state, t.throttled, c.pp, l.position AS lane_position,
       greatest(c.position, l.position) AS position, c.applied, c.parked, c.skipped, c.proof
FROM keepsake.lane l
JOIN keepsake.track t ON t.track = l.track
JOIN keepsake.generation g ON g.track = l.track
JOIN keepsake.checkpoint c ON c.generation = g.generation AND c.pp BETWEEN l.first_pp AND l.last_pp
WHERE l.track = $1 AND l.first_pp = $2 AND l.last_pp = $3 AND l.epoch = $4";

/// Divides by zero when the lane is not where this worker left it, or no longer its own: whatever was sent after this statement
/// is refused unseen.
const MOVE: &str = "
-- move_lane()
WITH moved AS (
  UPDATE keepsake.lane SET position = $5
  WHERE track = $1 AND first_pp = $2 AND epoch = $3 AND position = $4 AND position <= $5
  RETURNING 1
)
SELECT 1 / count(*)::int FROM moved";

const ADVANCE: &str = "
-- advance_checkpoints()
UPDATE keepsake.checkpoint AS c SET position = m.position, applied = m.applied, parked = m.parked, skipped = m.skipped,
                                 proof = m.proof
FROM UNNEST($1::integer[], $2::smallint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bytea[])
  AS m (generation, pp, position, applied, parked, skipped, proof)
WHERE c.generation = m.generation AND c.pp = m.pp AND c.position < m.position";

const ADOPT_LOG: &str = "
-- adopt_log()
INSERT INTO keepsake.log (log_id) VALUES ($1)
ON CONFLICT DO NOTHING";

const KNOWN_LOG: &str = "
-- known_log()
SELECT log_id FROM keepsake.log";

const PING: &str = "
-- ping()
SELECT position FROM keepsake.lane LIMIT 1";

/// How far one read model is in one partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) position: i64,
    /// Of all commits, whatever became of them.
    pub(crate) proof: Proof,
    /// Those of them that are set aside.
    pub(crate) parked: i64,
    /// Those of them that somebody decided never to fold.
    pub(crate) skipped: i64,
}

impl Checkpoint {
    pub(crate) fn applied(&self) -> i64 {
        self.proof.commits - self.parked - self.skipped
    }
}

/// The checkpoints of one lane.
#[derive(Clone, Debug)]
pub(crate) struct Checkpoints {
    pub(crate) lane: Lane,
    /// What is folded in it.
    pub(crate) track: Arc<Track>,
    /// Every commit up to here is folded into every read model.
    pub(crate) position: i64,
    /// By projection, then by partition; those of projections that are folded elsewhere are never moved.
    each: Vec<Checkpoint>,
}

impl Checkpoints {
    /// As they stand, if the lane is still this worker's.
    pub(crate) async fn read(connection: &ClientWrapper, lane: Lane) -> Result<Self, Fault> {
        let rows = connection.query(CHECKPOINTS, &[&lane.track, &lane.first_pp, &lane.last_pp, &lane.epoch]).await?;
        let position = rows.first().ok_or(Fault::TakenOver)?.try_get("lane_position")?;
        let track = Arc::new(Track::in_rows(&rows)?);
        let each = vec![Checkpoint::default(); projections::ALL.len() * lane.width()];
        let mut checkpoints = Self { lane, track, position, each };
        for row in &rows {
            let projection = checkpoints.track.projection_of(row.try_get("generation")?);
            let place = projection.zip(lane.index_of(row.try_get("pp")?));
            let (projection, place) = place.ok_or(Fault::Corrupt("a checkpoint"))?;
            checkpoints.each[projection * lane.width() + place] = checkpoint_in(row)?;
        }
        Ok(checkpoints)
    }

    pub(crate) fn each(&self) -> &[Checkpoint] {
        &self.each
    }

    /// How far the furthest of them is.
    pub(crate) fn furthest(&self) -> i64 {
        self.each.iter().map(|checkpoint| checkpoint.position).max().unwrap_or_default()
    }

    /// Tells how far each is that readers see.
    pub(crate) fn tell(&self, metrics: &LaneMetrics) {
        for (index, checkpoint) in self.each.iter().enumerate() {
            let (projection, pp) = self.place(index);
            if !self.is_live(projection) {
                continue;
            }
            let position = checkpoint.position.max(self.position).cast_unsigned();
            let pp = i16::cast_unsigned(pp).into();
            metrics.position(projection, pp, position);
            metrics.parked(projection, pp, checkpoint.parked.cast_unsigned());
        }
    }

    fn is_live(&self, projection: usize) -> bool {
        self.track.generation(projection).is_some_and(|generation| generation.is_live)
    }

    /// Tells of commits that were applied.
    pub(crate) fn tell_applied(&self, metrics: &LaneMetrics, applied: &[(usize, i64)]) {
        for (index, commits) in applied {
            let (projection, pp) = self.place(*index);
            if !self.is_live(projection) {
                continue;
            }
            metrics.applied(projection, i16::cast_unsigned(pp).into(), commits.cast_unsigned());
        }
    }

    /// The projection and the partition of a checkpoint.
    fn place(&self, index: usize) -> (usize, i16) {
        let width = self.lane.width();
        (index / width, self.lane.partitions().nth(index % width).unwrap_or_default())
    }

    /// Moves the lane to `position` and these of its checkpoints, given by their index, forward; within the transaction that
    /// writes the rows. First the lane: it locks out whoever else would write them.
    pub(crate) async fn advance(
        &self,
        connection: &ClientWrapper,
        position: i64,
        moved: &[(usize, Checkpoint)],
    ) -> Result<(), Fault> {
        let (shifted, advanced) =
            futures_util::future::join(self.shift(connection, position), self.prove(connection, moved)).await;
        shifted?;
        advanced
    }

    /// Keeps the lane where it is, and everybody else out of it until the transaction ends.
    pub(crate) async fn hold(&self, connection: &ClientWrapper) -> Result<(), Fault> {
        self.shift(connection, self.position).await
    }

    async fn shift(&self, connection: &ClientWrapper, position: i64) -> Result<(), Fault> {
        let Lane { track, first_pp, epoch, .. } = self.lane;
        let statement = connection.prepare_cached(MOVE).await?;
        match connection.query_one(&statement, &[&track, &first_pp, &epoch, &self.position, &position]).await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some(&SqlState::DIVISION_BY_ZERO) => Err(Fault::TakenOver),
            Err(error) => Err(error.into()),
        }
    }

    async fn prove(&self, connection: &ClientWrapper, moved: &[(usize, Checkpoint)]) -> Result<(), Fault> {
        if moved.is_empty() {
            return Ok(());
        }
        let generation = |index: usize| self.track.generation(self.place(index).0).map(|generation| generation.number);
        let generations: Vec<Option<i32>> = moved.iter().map(|(index, _)| generation(*index)).collect();
        let pps: Vec<_> = moved.iter().map(|(index, _)| self.place(*index).1).collect();
        let positions: Vec<_> = moved.iter().map(|(_, to)| to.position).collect();
        let applied: Vec<_> = moved.iter().map(|(_, to)| to.applied()).collect();
        let parked: Vec<_> = moved.iter().map(|(_, to)| to.parked).collect();
        let skipped: Vec<_> = moved.iter().map(|(_, to)| to.skipped).collect();
        let sums: Vec<_> = moved.iter().map(|(_, to)| to.proof.sum.to_be_bytes()).collect();
        let sums: Vec<_> = sums.iter().map(<[u8; 16]>::as_slice).collect();
        let statement = connection.prepare_cached(ADVANCE).await?;
        let updated = connection
            .execute(&statement, &[&generations, &pps, &positions, &applied, &parked, &skipped, &sums])
            .await?;
        if updated == moved.len() as u64 { Ok(()) } else { Err(Fault::TakenOver) }
    }

    /// What was advanced is committed.
    pub(crate) fn advanced(&mut self, position: i64, moved: &[(usize, Checkpoint)]) {
        self.position = position;
        for (index, checkpoint) in moved {
            self.each[*index] = *checkpoint;
        }
    }
}

fn checkpoint_in(row: &Row) -> Result<Checkpoint, Fault> {
    let (applied, parked, skipped): (i64, i64, i64) =
        (row.try_get("applied")?, row.try_get("parked")?, row.try_get("skipped")?);
    let proof = Proof { commits: applied + parked + skipped, sum: sum_in(row)? };
    Ok(Checkpoint { position: row.try_get("position")?, proof, parked, skipped })
}

pub(crate) fn sum_in(row: &Row) -> Result<u128, Fault> {
    let sum: &[u8] = row.try_get("proof")?;
    Ok(u128::from_be_bytes(sum.try_into().unwrap_or_default()))
}

/// Makes this the log the read models are folded from, unless they were folded from one already.
pub(crate) async fn adopt_log(connection: &Object, log: &LogInfo) -> Result<(), Fault> {
    connection.execute(ADOPT_LOG, &[&log.log_id]).await?;
    Ok(())
}

/// Refuses any log but the one the read models were folded from, as far as they were folded.
pub(crate) async fn check_log(connection: &Object, log: &LogInfo, furthest: i64) -> Result<(), Fault> {
    if let Some(row) = connection.query_opt(KNOWN_LOG, &[]).await? {
        let known: String = row.try_get("log_id")?;
        if known != log.log_id {
            return Err(Fault::OtherLog { known, found: log.log_id.clone() });
        }
    }
    let checkpoint = furthest.cast_unsigned();
    if checkpoint > log.last_position {
        return Err(Fault::StreamRegressed { checkpoint, last: log.last_position });
    }
    Ok(())
}

/// Refuses a database in which there is no generation of some read model that this binary could fold into.
pub(crate) async fn check_versions(connection: &Object) -> Result<(), Fault> {
    let missing = schema::missing(&***connection, &VERSIONS).await?;
    if missing.is_empty() { Ok(()) } else { Err(Fault::NotMigrated(missing.join(", "))) }
}

/// Whether the read database answers this role.
pub(crate) async fn ping(pool: &Pool) -> Result<(), Fault> {
    Ok(pool.get().await?.batch_execute(PING).await?)
}
