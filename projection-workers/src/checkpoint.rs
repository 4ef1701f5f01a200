//! How far each read model is folded, who may move that on, and from which log.

use deadpool_postgres::{Object, Pool, Transaction};
use event_log::LogInfo;

use crate::error::Fault;
use crate::projection::Kind;
use crate::projections;

const CLAIM: &str = "
-- claim_checkpoints()
UPDATE keepsake.checkpoint SET epoch = epoch + 1
WHERE projection = ANY ($1)
RETURNING projection, position, epoch";

const CHECKPOINTS: &str = "
-- checkpoints()
SELECT projection, position, epoch FROM keepsake.checkpoint WHERE projection = ANY ($1)";

const MOVE: &str = "
-- move_checkpoints()
UPDATE keepsake.checkpoint AS c SET position = moved.position, updated_at = now()
FROM UNNEST($1::text[], $2::bigint[], $3::bigint[], $4::bigint[]) AS moved (projection, previous, epoch, position)
WHERE c.projection = moved.projection AND c.position = moved.previous AND c.epoch = moved.epoch";

const ADOPT_LOG: &str = "
-- adopt_log()
INSERT INTO keepsake.log (log_id) VALUES ($1)
ON CONFLICT DO NOTHING";

const KNOWN_LOG: &str = "
-- known_log()
SELECT log_id FROM keepsake.log";

const PING: &str = "
-- ping()
SELECT position FROM keepsake.checkpoint LIMIT 1";

/// The checkpoint of one read model.
pub(crate) struct Checkpoint {
    pub(crate) kind: &'static Kind,
    pub(crate) position: i64,
    pub(crate) epoch: i64,
}

/// Makes this worker the one that may fold every projection; whoever could before no longer can.
pub(crate) async fn claim(connection: &Object) -> Result<Vec<Checkpoint>, Fault> {
    let outdated = schema::outdated(&***connection).await?;
    if !outdated.is_empty() {
        return Err(Fault::NotMigrated(outdated.join(", ")));
    }
    query(connection, CLAIM).await
}

/// The checkpoints as they stand, if they are still this worker's.
pub(crate) async fn read(connection: &Object, claimed: &[Checkpoint]) -> Result<Vec<Checkpoint>, Fault> {
    let checkpoints = query(connection, CHECKPOINTS).await?;
    let mine = checkpoints.iter().zip(claimed).all(|(now, then)| now.epoch == then.epoch);
    if mine { Ok(checkpoints) } else { Err(Fault::TakenOver) }
}

/// In the order of the projections.
async fn query(connection: &Object, statement: &str) -> Result<Vec<Checkpoint>, Fault> {
    let names: Vec<_> = projections::ALL.iter().map(|kind| kind.name).collect();
    let rows = connection.query(statement, &[&names]).await?;
    let mut checkpoints = Vec::with_capacity(names.len());
    for kind in projections::ALL {
        let row = rows.iter().find(|row| row.try_get("projection").is_ok_and(|name: &str| name == kind.name));
        let row = row.ok_or_else(|| Fault::NotMigrated(kind.name.to_owned()))?;
        checkpoints.push(Checkpoint { kind, position: row.try_get("position")?, epoch: row.try_get("epoch")? });
    }
    Ok(checkpoints)
}

/// Refuses any log but the one the read models were folded from, as far as they were folded.
pub(crate) async fn check_log(connection: &Object, log: &LogInfo, checkpoints: &[Checkpoint]) -> Result<(), Fault> {
    connection.execute(ADOPT_LOG, &[&log.log_id]).await?;
    let known: String = connection.query_one(KNOWN_LOG, &[]).await?.try_get("log_id")?;
    if known != log.log_id {
        return Err(Fault::OtherLog { known, found: log.log_id.clone() });
    }
    let furthest = checkpoints.iter().map(|checkpoint| checkpoint.position.cast_unsigned()).max().unwrap_or_default();
    if furthest > log.last_position {
        return Err(Fault::StreamRegressed { checkpoint: furthest, last: log.last_position });
    }
    Ok(())
}

/// Moves every checkpoint that is behind `position` to it, within the transaction that writes the rows.
pub(crate) async fn advance(
    transaction: &Transaction<'_>,
    checkpoints: &[Checkpoint],
    position: i64,
) -> Result<(), Fault> {
    let behind: Vec<_> = checkpoints.iter().filter(|checkpoint| checkpoint.position < position).collect();
    let names: Vec<_> = behind.iter().map(|checkpoint| checkpoint.kind.name).collect();
    let previous: Vec<_> = behind.iter().map(|checkpoint| checkpoint.position).collect();
    let epochs: Vec<_> = behind.iter().map(|checkpoint| checkpoint.epoch).collect();
    let positions = vec![position; behind.len()];
    let statement = transaction.prepare_cached(MOVE).await?;
    let moved = transaction.execute(&statement, &[&names, &previous, &epochs, &positions]).await?;
    if moved == behind.len() as u64 { Ok(()) } else { Err(Fault::TakenOver) }
}

/// Whether the read database answers this role.
pub(crate) async fn ping(pool: &Pool) -> Result<(), Fault> {
    Ok(pool.get().await?.batch_execute(PING).await?)
}
