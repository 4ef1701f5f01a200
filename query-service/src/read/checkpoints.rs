//! How far the read models are, of everybody.

use deadpool_postgres::Pool;
use tokio_postgres::Row;

use super::reach::{Progress, Stretch};
use crate::database::within_deadline;
use crate::error::Fault;
use crate::position::Position;

const PROGRESS: &str = "
-- progress()
SELECT projection, first_pp, last_pp, min(position) AS position
FROM keepsake.progress
GROUP BY projection, first_pp, last_pp
LIMIT 10000";

const PING: &str = "
-- ping()
SELECT position FROM keepsake.lane LIMIT 1";

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
pub(super) async fn ping(pool: &Pool) -> Result<(), Fault> {
    Ok(within_deadline(pool, async |connection| connection.batch_execute(PING).await).await?)
}
