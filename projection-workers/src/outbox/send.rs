//! Publishes what is in the outbox, in the order it was put there, and takes it out once the stream keeps it.

use std::time::Duration;

use async_nats::Client;
use tokio_postgres::Row;
use tokio_util::sync::CancellationToken;

use crate::errand::{Errand, Hold, Status};
use crate::error::Fault;
use crate::metrics::Metrics;
use crate::outgoing::{self, Outgoing};
use crate::publisher;

const NAME: &str = "outbox";
/// Few enough for the lease, even when each waits for a slow disk.
const BATCH: i64 = 200;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

const READ: &str = "
-- read_outbox()
SELECT tenant, entry, event_id, name, body FROM keepsake.outbox ORDER BY entry LIMIT $1";

const TAKE_OUT: &str = "
-- take_out_of_outbox()
DELETE FROM keepsake.outbox AS o USING UNNEST($1::text[], $2::bigint[]) AS s (tenant, entry)
WHERE o.tenant = s.tenant AND o.entry = s.entry";

pub(crate) struct Sender {
    pub(crate) nats: Client,
    pub(crate) status: Status,
    pub(crate) metrics: Metrics,
}

impl Errand for Sender {
    fn name(&self) -> String {
        NAME.to_owned()
    }

    async fn work(&self, hold: &mut Hold, stop: &CancellationToken) -> Result<(), Fault> {
        while !stop.is_cancelled() {
            hold.is_mine()?;
            let sent = self.send(hold).await?;
            self.status.goes_on(NAME);
            self.metrics.errand_sent(NAME, sent);
            if sent == 0 {
                stop.run_until_cancelled(tokio::time::sleep(BETWEEN_LOOKS)).await;
            }
            if hold.is_due() {
                hold.keep().await?;
            }
        }
        Ok(())
    }
}

impl Sender {
    /// One batch; how many there were.
    async fn send(&self, hold: &Hold) -> Result<usize, Fault> {
        let connection = hold.pool().get().await?;
        let read = connection.prepare_cached(READ).await?;
        let rows = connection.query(&read, &[&BATCH]).await?;
        if rows.is_empty() {
            return Ok(0);
        }
        outgoing::store(&self.nats, &rows.iter().map(message).collect::<Result<Vec<_>, _>>()?).await?;
        let tenants = rows.iter().map(|row| row.try_get("tenant")).collect::<Result<Vec<&str>, _>>()?;
        let entries = rows.iter().map(|row| row.try_get("entry")).collect::<Result<Vec<i64>, _>>()?;
        connection.execute(TAKE_OUT, &[&tenants, &entries]).await?;
        Ok(rows.len())
    }
}

fn message(row: &Row) -> Result<Outgoing, Fault> {
    let tenant: &str = row.try_get("tenant")?;
    let tenant = tenant.parse().map_err(|_| Fault::Corrupt("outbox"))?;
    let body: &str = row.try_get("body")?;
    Ok(publisher::outgoing(&tenant, row.try_get("name")?, row.try_get("event_id")?, body.to_owned()))
}
