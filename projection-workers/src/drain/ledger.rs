//! The books of the lot: what is asked, what waits, and what became of it.

use deadpool_postgres::ClientWrapper;
use proto::subject::LogSubject;
use tokio_postgres::types::ToSql;

use crate::checkpoint::Checkpoints;
use crate::error::Fault;
use crate::lane::Lane;
use crate::parking::subject_in;
use crate::projection::Batch;
use crate::track::Track;

const REQUESTS: &str = "
-- parking_requests()
SELECT request, tenant, owner, generation, act, actor, reason, position
FROM keepsake.parking_request
WHERE pp BETWEEN $1 AND $2 AND generation = ANY ($3)
ORDER BY request
LIMIT 1000";

const WAITING: &str = "
-- parked_commits()
SELECT position FROM keepsake.parked_commit
WHERE tenant = $1 AND owner = $2 AND generation = $3 AND NOT skipped
ORDER BY position
LIMIT $4";

const UNPARK: &str = "
-- unpark_commits()
WITH gone AS (
  DELETE FROM keepsake.parked_commit
  WHERE tenant = $1 AND owner = $2 AND generation = $3 AND position = ANY ($4) AND NOT skipped
  RETURNING pp
), told AS (
  UPDATE keepsake.parking_request SET folded = folded + (SELECT count(*) FROM gone) WHERE tenant = $1 AND request = $5
)
UPDATE keepsake.checkpoint AS c SET applied = c.applied + g.commits, parked = c.parked - g.commits
FROM (SELECT pp, count(*) AS commits FROM gone GROUP BY pp) AS g
WHERE c.generation = $3 AND c.pp = g.pp";

/// Only the commit somebody has looked at. The rest is tried again by what is left of the request, which never skips a second commit.
const SKIP: &str = "
-- skip_parked_commit()
WITH skipped AS (
  UPDATE keepsake.parked_commit SET skipped = true
  WHERE (tenant, owner, generation, position) = (
    SELECT tenant, owner, generation, position
    FROM keepsake.parked_commit
    WHERE tenant = $1 AND owner = $2 AND generation = $3 AND NOT skipped
    ORDER BY position
    LIMIT 1)
    AND position = $7
  RETURNING projection, pp, position
), counted AS (
  UPDATE keepsake.checkpoint AS c SET parked = c.parked - 1, skipped = c.skipped + 1
  FROM skipped
  WHERE c.generation = $3 AND c.pp = skipped.pp
), going_on AS (
  UPDATE keepsake.parking_request SET act = 'retry' WHERE tenant = $1 AND request = $4
)
INSERT INTO keepsake.parking_act (tenant, owner, projection, generation, act, position, actor, reason, request)
SELECT $1, $2, projection, $3, 'skip', position, $5, $6, $4 FROM skipped";

/// A guest of whom nothing waits is no longer set aside.
const FINISH: &str = "
-- finish_parking_request()
WITH waiting AS (
  SELECT count(*) AS commits FROM keepsake.parked_commit
  WHERE tenant = $1 AND owner = $2 AND generation = $3 AND NOT skipped
), freed AS (
  DELETE FROM keepsake.parked_guest
  WHERE tenant = $1 AND owner = $2 AND generation = $3 AND (SELECT commits FROM waiting) = 0
), kept AS (
  UPDATE keepsake.parked_guest SET tries = tries + 1, position = COALESCE($7, position), reason = $6
  WHERE tenant = $1 AND owner = $2 AND generation = $3 AND (SELECT commits FROM waiting) > 0
), done AS (
  DELETE FROM keepsake.parking_request WHERE tenant = $1 AND request = $4 RETURNING projection, folded
)
INSERT INTO keepsake.parking_act (tenant, owner, projection, generation, act, position, actor, reason, folded, waiting, request)
SELECT $1, $2, done.projection, $3, 'retry', COALESCE($7, 0), $5, $6, done.folded, waiting.commits, $4 FROM waiting, done";

/// What somebody asked for.
#[derive(Debug)]
pub(super) struct Request {
    number: i64,
    pub(super) subject: LogSubject,
    /// Its place in the list.
    pub(super) projection: usize,
    generation: i32,
    /// The first of what waits is never folded.
    pub(super) skips: bool,
    actor: String,
    pub(super) reason: String,
    /// From where on the guest was parked then.
    position: i64,
}

impl Request {
    /// Of the guest and the generation.
    fn whose(&self) -> (&str, &str, i32) {
        (self.subject.tenant.as_str(), self.subject.owner.as_str(), self.generation)
    }
}

pub(super) async fn requests(connection: &ClientWrapper, lane: Lane, track: &Track) -> Result<Vec<Request>, Fault> {
    let mut requests = Vec::new();
    for row in connection.query(REQUESTS, &[&lane.first_pp, &lane.last_pp, &track.numbers()]).await? {
        let generation = row.try_get("generation")?;
        requests.push(Request {
            number: row.try_get("request")?,
            subject: subject_in(&row)?,
            projection: track.projection_of(generation).ok_or(Fault::TakenOver)?,
            generation,
            skips: row.try_get::<_, &str>("act")? == "skip",
            actor: row.try_get("actor")?,
            reason: row.try_get("reason")?,
            position: row.try_get("position")?,
        });
    }
    Ok(requests)
}

/// Positions of what waits, the oldest first.
pub(super) async fn waiting(connection: &ClientWrapper, request: &Request, most: i64) -> Result<Vec<i64>, Fault> {
    let (tenant, owner, generation) = request.whose();
    let rows = connection.query(WAITING, &[&tenant, &owner, &generation, &most]).await?;
    Ok(rows.iter().map(|row| row.try_get("position")).collect::<Result<_, _>>()?)
}

pub(super) async fn skip_first(
    connection: &ClientWrapper,
    checkpoints: &Checkpoints,
    request: &Request,
) -> Result<(), Fault> {
    let (tenant, owner, generation) = request.whose();
    let Request { number, actor, reason, position, .. } = request;
    alone(connection, checkpoints, SKIP, &[&tenant, &owner, &generation, number, actor, reason, position]).await
}

/// Writes the rows of these commits, which wait no longer.
pub(super) async fn write(
    connection: &ClientWrapper,
    checkpoints: &Checkpoints,
    request: &Request,
    batch: &dyn Batch,
    positions: &[i64],
) -> Result<(), Fault> {
    let (tenant, owner, generation) = request.whose();
    let written = async {
        begin(connection, checkpoints).await?;
        batch.flush(connection).await?;
        connection.execute(UNPARK, &[&tenant, &owner, &generation, &positions, &request.number]).await?;
        commit(connection).await
    };
    rolled_back(connection, written.await).await
}

/// The request is done: from `position` on it waits still, since `reason`; None when everything that waited is folded.
pub(super) async fn finish(
    connection: &ClientWrapper,
    checkpoints: &Checkpoints,
    request: &Request,
    position: Option<i64>,
    reason: &str,
) -> Result<(), Fault> {
    let (tenant, owner, generation) = request.whose();
    let Request { number, actor, .. } = request;
    let asked: [&(dyn ToSql + Sync); 7] = [&tenant, &owner, &generation, number, actor, &reason, &position];
    alone(connection, checkpoints, FINISH, &asked).await
}

/// One statement in a transaction that holds the lane.
async fn alone(
    connection: &ClientWrapper,
    checkpoints: &Checkpoints,
    statement: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<(), Fault> {
    let done = async {
        begin(connection, checkpoints).await?;
        connection.execute(statement, parameters).await?;
        commit(connection).await
    };
    rolled_back(connection, done.await).await
}

async fn begin(connection: &ClientWrapper, checkpoints: &Checkpoints) -> Result<(), Fault> {
    connection.batch_execute("BEGIN").await?;
    checkpoints.hold(connection).await
}

async fn commit(connection: &ClientWrapper) -> Result<(), Fault> {
    Ok(connection.batch_execute("COMMIT").await?)
}

async fn rolled_back(connection: &ClientWrapper, done: Result<(), Fault>) -> Result<(), Fault> {
    if done.is_err() {
        connection.batch_execute("ROLLBACK").await?;
    }
    done
}
