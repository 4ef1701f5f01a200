//! Waiting for the read models.

use super::{Client, World, eventually_within};

const SLOWEST: &str = "SELECT COALESCE(min(position), 0) FROM keepsake.progress";
/// Also for a worker that takes a while to notice that another is gone.
const PATIENCE: std::time::Duration = std::time::Duration::from_mins(2);

/// Waits until every read model is where the log ends now.
pub async fn until_folded(world: &World, client: &Client) {
    let end = event_log::stream::info(&client.nats).await.expect("the log").last_position.cast_signed();
    let admin = world.database.connect(&world.database.read_admin).await;
    eventually_within(PATIENCE, "every read model is at the end of the log", async || {
        let slowest = admin.query_one(SLOWEST, &[]).await.expect("asks");
        (slowest.get::<_, i64>(0) >= end).then_some(())
    })
    .await;
}
