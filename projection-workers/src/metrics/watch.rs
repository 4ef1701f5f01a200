//! Looks where the log ends, again and again: a lane that stands still cannot be asked how far behind it is.

use std::time::Duration;

use async_nats::Client;
use event_log::stream;
use runtime::clock;
use tokio_util::sync::CancellationToken;

use super::Metrics;

/// How exact a lag in seconds is.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// Looks until `stop`. A log that does not answer is readiness' business; its end stays where it was.
pub(crate) async fn watch(nats: Client, metrics: Metrics, stop: CancellationToken) -> anyhow::Result<()> {
    while stop.run_until_cancelled(look(&nats, &metrics)).await.is_some() {}
    Ok(())
}

async fn look(nats: &Client, metrics: &Metrics) {
    let asked = clock::now();
    match stream::info(nats).await {
        Ok(log) => metrics.log_ends(log.last_position, asked),
        Err(error) => tracing::debug!(error = &error as &dyn std::error::Error, "where the log ends is not known"),
    }
    tokio::time::sleep(BETWEEN_LOOKS).await;
}
