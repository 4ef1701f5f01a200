//! Lanes: ranges of virtual partitions, each folded by one worker at a time.

use tokio_postgres::{Client, GenericClient};

use crate::error::SchemaError;

/// Virtual partitions there are.
const PARTITIONS: i16 = 64;

/// Held by whoever changes which lanes there are.
const CUTTING: i64 = 0x6b65_6570_2063_7574;

const ALONE: &str = "
-- cut_alone()
SELECT pg_advisory_xact_lock($1)";

/// The locks of all lanes, always in this order: whoever holds them meets no worker in the middle of a transaction.
const LOCK: &str = "
-- lock_lanes()
SELECT FROM keepsake.lane ORDER BY track, first_pp FOR UPDATE";

const SETTLE: &str = "
-- settle_checkpoints()
UPDATE keepsake.checkpoint AS c SET position = l.position
FROM keepsake.generation AS g JOIN keepsake.lane AS l ON l.track = g.track
WHERE c.generation = g.generation AND c.pp BETWEEN l.first_pp AND l.last_pp AND c.position < l.position";

const RELEASE: &str = "
-- release_lanes()
UPDATE keepsake.lane AS l
SET epoch = nextval('keepsake.lane_epoch'), holder = NULL,
    position = COALESCE((SELECT min(c.position)
                         FROM keepsake.checkpoint c JOIN keepsake.generation g ON g.generation = c.generation
                         WHERE g.track = l.track AND c.pp BETWEEN l.first_pp AND l.last_pp), 0)";

const LIVE_TRACKS: &str = "
-- live_tracks()
SELECT DISTINCT track FROM keepsake.generation WHERE state = 'live' ORDER BY track";

const UNCUT: &str = "
-- drop_lanes()
DELETE FROM keepsake.lane WHERE track = $1";

const CUT: &str = "
-- cut_lanes()
INSERT INTO keepsake.lane (track, first_pp, last_pp)
SELECT $1, lane * $2::int / $3::int, (lane + 1) * $2::int / $3::int - 1
FROM generate_series(0, $3::int - 1) AS lane";

/// Keeps out whoever else would change which lanes and generations there are; and ends the transaction of somebody who was put to
/// sleep in the middle of it, behind whom everybody else would wait.
pub(crate) async fn alone(transaction: &impl GenericClient) -> Result<(), tokio_postgres::Error> {
    transaction.batch_execute("SET LOCAL idle_in_transaction_session_timeout = '10s'").await?;
    transaction.execute(ALONE, &[&CUTTING]).await.map(drop)
}

/// Keeps workers out until the end of the transaction, and lets every checkpoint state its own position, so that generations may
/// change tracks and lanes may be cut anew. Before any other table is touched: workers lock their lane first, too. Follow it by
/// [`release`].
pub(crate) async fn settle(transaction: &impl GenericClient) -> Result<(), tokio_postgres::Error> {
    alone(transaction).await?;
    transaction.execute(LOCK, &[]).await?;
    transaction.execute(SETTLE, &[]).await.map(drop)
}

/// Takes every lane from its holder and puts it where the least of its checkpoints is.
pub(crate) async fn release(transaction: &impl GenericClient) -> Result<(), tokio_postgres::Error> {
    transaction.execute(RELEASE, &[]).await.map(drop)
}

/// Cuts a track into this many lanes of the same size, 1 to 64.
pub(crate) async fn cut(transaction: &impl GenericClient, track: i64, lanes: u8) -> Result<(), tokio_postgres::Error> {
    let lanes = i32::from(lanes).clamp(1, PARTITIONS.into());
    transaction.execute(UNCUT, &[&track]).await?;
    transaction.execute(CUT, &[&track, &i32::from(PARTITIONS), &lanes]).await.map(drop)
}

/// Cuts every track with something live into this many lanes of the same size, 1 to 64. Workers let go of those they hold and take new ones; nothing
/// is folded twice or left out.
pub async fn recut(client: &mut Client, lanes: u8) -> Result<(), SchemaError> {
    let transaction = client.transaction().await?;
    settle(&transaction).await?;
    for row in transaction.query(LIVE_TRACKS, &[]).await? {
        cut(&transaction, row.try_get("track")?, lanes).await?;
    }
    release(&transaction).await?;
    Ok(transaction.commit().await?)
}
