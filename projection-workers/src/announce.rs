//! Announcing what was folded to those who serve it, so that whoever waits for it need not keep looking.
//!
//! In no transaction that writes rows: one that notifies makes every other that does wait for its commit, fsync and all.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use schema::Partitions;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::error::Fault;

/// Between two announcements, whatever is folded meanwhile.
const GAP: Duration = Duration::from_millis(5);
const GAP_AFTER_FAULT: Duration = Duration::from_secs(1);

/// Nothing is lost with an announcement.
const SESSION: &str = "SET synchronous_commit = off";

const ANNOUNCE: &str = "
-- announce()
SELECT pg_notify($1, $2)";

/// Takes the news of all lanes. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Announcer(Arc<News>);

#[derive(Default)]
struct News {
    untold: Mutex<Option<Partitions>>,
    bell: Notify,
}

impl Announcer {
    /// Rows of these partitions are committed; of none, a lane has come further without any.
    pub(crate) fn folded(&self, partitions: Partitions) {
        let mut untold = self.0.untold.lock().unwrap_or_else(PoisonError::into_inner);
        *untold = Some(untold.unwrap_or_default().and(partitions));
        drop(untold);
        self.0.bell.notify_one();
    }

    /// Announces until `stop`. What cannot be announced is not made up for.
    pub(crate) async fn run(self, pool: Pool, stop: CancellationToken) -> anyhow::Result<()> {
        let mut connection = None;
        while stop.run_until_cancelled(self.0.bell.notified()).await.is_some() {
            let untold = self.0.untold.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some(partitions) = untold else { continue };
            let gap = match announce(&pool, connection.take(), partitions).await {
                Ok(open) => {
                    connection = Some(open);
                    GAP
                }
                Err(fault) => {
                    tracing::warn!(error = &fault as &dyn std::error::Error, "what is folded cannot be announced");
                    GAP_AFTER_FAULT
                }
            };
            stop.run_until_cancelled(tokio::time::sleep(gap)).await;
        }
        Ok(())
    }
}

/// Gives the connection back when it can be used again.
async fn announce(pool: &Pool, connection: Option<Object>, partitions: Partitions) -> Result<Object, Fault> {
    let connection = if let Some(connection) = connection {
        connection
    } else {
        let connection = pool.get().await?;
        connection.batch_execute(SESSION).await?;
        connection
    };
    let statement = connection.prepare_cached(ANNOUNCE).await?;
    connection.execute(&statement, &[&schema::NEWS_CHANNEL, &partitions.to_string()]).await?;
    Ok(connection)
}
