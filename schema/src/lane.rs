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
SELECT FROM keepsake.lane ORDER BY first_pp FOR UPDATE";

const SETTLE: &str = "
-- settle_checkpoints()
UPDATE keepsake.checkpoint AS c SET position = l.position
FROM keepsake.lane AS l
WHERE c.pp BETWEEN l.first_pp AND l.last_pp AND c.position < l.position";

const RELEASE: &str = "
-- release_lanes()
UPDATE keepsake.lane AS l
SET epoch = nextval('keepsake.lane_epoch'), holder = NULL,
    position = COALESCE((SELECT min(c.position) FROM keepsake.checkpoint c WHERE c.pp BETWEEN l.first_pp AND l.last_pp), 0)";

const DROP: &str = "
-- drop_lanes()
DELETE FROM keepsake.lane";

const CUT: &str = "
-- cut_lanes()
INSERT INTO keepsake.lane (first_pp, last_pp)
SELECT lane * $1::int / $2::int, (lane + 1) * $1::int / $2::int - 1
FROM generate_series(0, $2::int - 1) AS lane";

/// Keeps workers out until the end of the transaction. Before any table is touched: workers lock their lane first, too.
pub(crate) async fn lock(transaction: &impl GenericClient) -> Result<(), tokio_postgres::Error> {
    transaction.execute(ALONE, &[&CUTTING]).await?;
    transaction.execute(LOCK, &[]).await.map(drop)
}

/// Lets every checkpoint state its own position, so that it may be changed and lanes may be cut anew. Follow it by [`release`].
pub(crate) async fn settle(transaction: &impl GenericClient) -> Result<(), tokio_postgres::Error> {
    lock(transaction).await?;
    transaction.execute(SETTLE, &[]).await.map(drop)
}

/// Takes every lane from its holder and puts it where the least of its checkpoints is.
pub(crate) async fn release(transaction: &impl GenericClient) -> Result<(), tokio_postgres::Error> {
    transaction.execute(RELEASE, &[]).await.map(drop)
}

/// Cuts the partitions into this many lanes of the same size, 1 to 64. Workers let go of those they hold and take new ones;
/// nothing is folded twice or left out.
pub async fn recut(client: &mut Client, lanes: u8) -> Result<(), SchemaError> {
    let lanes = i32::from(lanes).clamp(1, PARTITIONS.into());
    let transaction = client.transaction().await?;
    settle(&transaction).await?;
    transaction.execute(DROP, &[]).await?;
    transaction.execute(CUT, &[&i32::from(PARTITIONS), &lanes]).await?;
    release(&transaction).await?;
    Ok(transaction.commit().await?)
}
