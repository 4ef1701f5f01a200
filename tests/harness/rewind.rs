//! Putting read models back to an earlier position, as an administrator may after restoring their tables.

use tokio_postgres::Client;

const REWIND: &str = "
WITH settled AS (
  SELECT c.projection, c.pp, greatest(c.position, l.position) AS position
  FROM keepsake.checkpoint c JOIN keepsake.lane l ON c.pp BETWEEN l.first_pp AND l.last_pp
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
WHERE s.projection = c.projection AND s.pp = c.pp";

/// Puts these read models to `position` and takes the lanes from whoever holds them; the proof is right only at 0.
pub async fn rewind(admin: &Client, projections: &[&str], position: u64) {
    admin.execute(REWIND, &[&projections, &position.cast_signed()]).await.expect("rewinds");
}

/// Empties these read models' tables, so that they are folded from the first commit.
pub async fn empty(admin: &Client, projections: &[&str]) {
    for projection in projections {
        let tables = "SELECT unnest(tables) FROM keepsake.read_model WHERE name = $1";
        for row in admin.query(tables, &[projection]).await.expect("the tables of a read model") {
            admin.batch_execute(&format!("TRUNCATE {}", row.get::<_, String>(0))).await.expect("empties");
        }
    }
    for lot in ["parked_guest", "parked_commit"] {
        let empties = format!("DELETE FROM keepsake.{lot} WHERE projection = ANY ($1)");
        admin.execute(&empties, &[&projections]).await.expect("nobody is parked");
    }
    rewind(admin, projections, 0).await;
}
