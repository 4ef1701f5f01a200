//! Putting read models back to an earlier position, as an administrator may after restoring their tables.

use tokio_postgres::Client;

const REWIND: &str = "
WITH settled AS (
  SELECT generation, projection, pp, position FROM keepsake.generation_progress
), released AS (
  UPDATE keepsake.lane SET position = 0, epoch = nextval('keepsake.lane_epoch'), holder = NULL
)
UPDATE keepsake.checkpoint c
SET position = CASE WHEN c.projection = ANY ($1) THEN $2 ELSE s.position END,
    applied = CASE WHEN c.projection = ANY ($1) AND $2 = 0 THEN 0 ELSE c.applied END,
    parked = CASE WHEN c.projection = ANY ($1) AND $2 = 0 THEN 0 ELSE c.parked END,
    skipped = CASE WHEN c.projection = ANY ($1) AND $2 = 0 THEN 0 ELSE c.skipped END,
    proof = CASE WHEN c.projection = ANY ($1) AND $2 = 0 THEN '\\x00000000000000000000000000000000' ELSE c.proof END
FROM settled s
WHERE s.generation = c.generation AND s.pp = c.pp";

const TABLES: &str =
    "SELECT schema_name || '.' || unnest(tables) FROM keepsake.generation WHERE projection = $1 AND state = 'live'";

const TABLE: &str =
    "SELECT schema_name || '.' || $1::text FROM keepsake.generation WHERE $1 = ANY (tables) AND state = 'live'";

/// The table behind the view of this name: what an administrator would alter or damage.
pub async fn table(admin: &Client, view: &str) -> String {
    admin.query_one(TABLE, &[&view]).await.expect("a view of the read models").get(0)
}

/// Puts these read models to `position` and takes the lanes from whoever holds them; the proof is right only at 0.
pub async fn rewind(admin: &Client, projections: &[&str], position: u64) {
    admin.execute(REWIND, &[&projections, &position.cast_signed()]).await.expect("rewinds");
}

/// Empties these read models' tables, so that they are folded from the first commit.
pub async fn empty(admin: &Client, projections: &[&str]) {
    for projection in projections {
        for row in admin.query(TABLES, &[projection]).await.expect("the tables of a read model") {
            admin.batch_execute(&format!("TRUNCATE {}", row.get::<_, String>(0))).await.expect("empties");
        }
    }
    for lot in ["parked_guest", "parked_commit"] {
        let empties = format!("DELETE FROM keepsake.{lot} WHERE projection = ANY ($1)");
        admin.execute(&empties, &[&projections]).await.expect("nobody is parked");
    }
    rewind(admin, projections, 0).await;
}
