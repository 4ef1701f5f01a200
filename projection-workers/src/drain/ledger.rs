//! The books of the lot: what is asked, what waits, and what became of it.

use deadpool_postgres::ClientWrapper;
use proto::subject::LogSubject;
use tokio_postgres::types::ToSql;

use crate::checkpoint::Checkpoints;
use crate::error::Fault;
use crate::lane::Lane;
use crate::parking::subject_in;
use crate::projection::Batch;

const REQUESTS: &str = "
-- parking_requests()
SELECT request, tenant, owner, projection, act, actor, reason, position
FROM keepsake.parking_request
WHERE pp BETWEEN $1 AND $2
ORDER BY request
LIMIT 1000";

const WAITING: &str = "
-- parked_commits()
SELECT position FROM keepsake.parked_commit
WHERE tenant = $1 AND owner = $2 AND projection = $3 AND NOT skipped
ORDER BY position
LIMIT $4";

const UNPARK: &str = "
-- unpark_commits()
WITH gone AS (
  DELETE FROM keepsake.parked_commit
  WHERE tenant = $1 AND owner = $2 AND projection = $3 AND position = ANY ($4) AND NOT skipped
  RETURNING pp
), told AS (
  UPDATE keepsake.parking_request SET folded = folded + (SELECT count(*) FROM gone) WHERE tenant = $1 AND request = $5
)
UPDATE keepsake.checkpoint AS c SET applied = c.applied + g.commits, parked = c.parked - g.commits
FROM (SELECT pp, count(*) AS commits FROM gone GROUP BY pp) AS g
WHERE c.projection = $3 AND c.pp = g.pp";

/// Only the commit somebody has looked at. The rest is tried again by what is left of the request, which never skips a second commit.
const SKIP: &str = "
-- skip_parked_commit()
WITH skipped AS (
  UPDATE keepsake.parked_commit SET skipped = true
  WHERE (tenant, owner, projection, position) = (
    SELECT tenant, owner, projection, position
    FROM keepsake.parked_commit
    WHERE tenant = $1 AND owner = $2 AND projection = $3 AND NOT skipped
    ORDER BY position
    LIMIT 1)
    AND position = $7
  RETURNING pp, position
), counted AS (
  UPDATE keepsake.checkpoint AS c SET parked = c.parked - 1, skipped = c.skipped + 1
  FROM skipped
  WHERE c.projection = $3 AND c.pp = skipped.pp
), going_on AS (
  UPDATE keepsake.parking_request SET act = 'retry' WHERE tenant = $1 AND request = $4
)
INSERT INTO keepsake.parking_act (tenant, owner, projection, act, position, actor, reason, request)
SELECT $1, $2, $3, 'skip', position, $5, $6, $4 FROM skipped";

/// A guest of whom nothing waits is no longer set aside.
const FINISH: &str = "
-- finish_parking_request()
WITH waiting AS (
  SELECT count(*) AS commits FROM keepsake.parked_commit
  WHERE tenant = $1 AND owner = $2 AND projection = $3 AND NOT skipped
), freed AS (
  DELETE FROM keepsake.parked_guest
  WHERE tenant = $1 AND owner = $2 AND projection = $3 AND (SELECT commits FROM waiting) = 0
), kept AS (
  UPDATE keepsake.parked_guest SET tries = tries + 1, position = COALESCE($7, position), reason = $6
  WHERE tenant = $1 AND owner = $2 AND projection = $3 AND (SELECT commits FROM waiting) > 0
), done AS (
  DELETE FROM keepsake.parking_request WHERE tenant = $1 AND request = $4 RETURNING folded
)
INSERT INTO keepsake.parking_act (tenant, owner, projection, act, position, actor, reason, folded, waiting, request)
SELECT $1, $2, $3, 'retry', COALESCE($7, 0), $5, $6, done.folded, waiting.commits, $4 FROM waiting, done";

/// What somebody asked for.
#[derive(Debug)]
pub(super) struct Request {
    number: i64,
    pub(super) subject: LogSubject,
    pub(super) projection: String,
    /// The first of what waits is never folded.
    pub(super) skips: bool,
    actor: String,
    reason: String,
    /// From where on the guest was parked then.
    position: i64,
}

impl Request {
    /// Of the guest and the read model.
    fn whose(&self) -> (&str, &str, &str) {
        (self.subject.tenant.as_str(), self.subject.owner.as_str(), &self.projection)
    }
}

pub(super) async fn requests(connection: &ClientWrapper, lane: Lane) -> Result<Vec<Request>, Fault> {
    let mut requests = Vec::new();
    for row in connection.query(REQUESTS, &[&lane.first_pp, &lane.last_pp]).await? {
        requests.push(Request {
            number: row.try_get("request")?,
            subject: subject_in(&row)?,
            projection: row.try_get("projection")?,
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
    let (tenant, owner, projection) = request.whose();
    let rows = connection.query(WAITING, &[&tenant, &owner, &projection, &most]).await?;
    Ok(rows.iter().map(|row| row.try_get("position")).collect::<Result<_, _>>()?)
}

pub(super) async fn skip_first(
    connection: &ClientWrapper,
    checkpoints: &Checkpoints,
    request: &Request,
) -> Result<(), Fault> {
    let (tenant, owner, projection) = request.whose();
    let Request { number, actor, reason, position, .. } = request;
    alone(connection, checkpoints, SKIP, &[&tenant, &owner, &projection, number, actor, reason, position]).await
}

/// Writes the rows of these commits, which wait no longer.
pub(super) async fn write(
    connection: &ClientWrapper,
    checkpoints: &Checkpoints,
    request: &Request,
    batch: &dyn Batch,
    positions: &[i64],
) -> Result<(), Fault> {
    let (tenant, owner, projection) = request.whose();
    let written = async {
        begin(connection, checkpoints).await?;
        batch.flush(connection).await?;
        connection.execute(UNPARK, &[&tenant, &owner, &projection, &positions, &request.number]).await?;
        commit(connection).await
    };
    rolled_back(connection, written.await).await
}

/// Everything that waited is folded.
pub(super) async fn succeed(
    connection: &ClientWrapper,
    checkpoints: &Checkpoints,
    request: &Request,
) -> Result<(), Fault> {
    finish(connection, checkpoints, request, None, &request.reason).await
}

/// From `position` on it waits still, since `reason`.
pub(super) async fn fail(
    connection: &ClientWrapper,
    checkpoints: &Checkpoints,
    request: &Request,
    position: Option<i64>,
    reason: &str,
) -> Result<(), Fault> {
    finish(connection, checkpoints, request, position, reason).await
}

async fn finish(
    connection: &ClientWrapper,
    checkpoints: &Checkpoints,
    request: &Request,
    position: Option<i64>,
    reason: &str,
) -> Result<(), Fault> {
    let (tenant, owner, projection) = request.whose();
    let Request { number, actor, .. } = request;
    let asked: [&(dyn ToSql + Sync); 7] = [&tenant, &owner, &projection, number, actor, &reason, &position];
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
