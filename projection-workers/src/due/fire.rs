//! Timers that are due become commands on `cmdq`, kept by JetStream before the timer is forgotten.
//!
//! Any number of processes fire at once: each claims other rows, and holds them by its transaction. A process that dies in between
//! leaves them to the others, whose command has the same id and is carried out once.

use std::time::Duration;

use async_nats::{Client, HeaderMap};
use chrono::{DateTime, Utc};
use deadpool_postgres::Pool;
use proto::header;
use proto::subject::{CommandSubject, INTAKE_STREAM};
use tokio_postgres::Row;
use tokio_util::sync::CancellationToken;

use super::stable_id;
use crate::errand::Status;
use crate::error::Fault;
use crate::metrics::Metrics;
use crate::outgoing::{self, Outgoing};

pub(crate) const NAME: &str = "timers";
const BATCH: i64 = 500;
/// A timer that is made while the next one is waited for may be due before that.
const LONGEST_WAIT: Duration = Duration::from_millis(200);
const PAUSE_AFTER_FAULT: Duration = Duration::from_secs(1);

/// As of when the statement began, which an index can be asked for and which is never ahead of the clock.
const CLAIM: &str = "
-- claim_timers()
SELECT tenant, timer_id, cause, due_at, facet, command, body FROM keepsake.due
WHERE due_at <= statement_timestamp() ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED";

/// NULL when none waits. Not of those that somebody else has claimed: they are due already.
const NEXT: &str = "
-- next_timer()
SELECT ceil(extract(epoch FROM min(due_at) - statement_timestamp()) * 1000)::bigint AS wait_ms
FROM keepsake.due WHERE due_at > statement_timestamp()";

const FORGET: &str = "
-- forget_timers()
DELETE FROM keepsake.due AS d USING UNNEST($1::text[], $2::text[]) AS f (tenant, timer_id)
WHERE d.tenant = f.tenant AND d.timer_id = f.timer_id";

/// Fires until `stop`; what it cannot do now it does later.
pub(crate) async fn run(
    nats: Client,
    pool: Pool,
    status: Status,
    metrics: Metrics,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    while !stop.is_cancelled() {
        let pause = match fire(&nats, &pool).await {
            Ok(fired @ 1..) => {
                metrics.errand_sent(NAME, fired);
                None
            }
            Ok(0) => Some(until_next(&pool).await.unwrap_or(LONGEST_WAIT)),
            Err(fault) => {
                status.waits(NAME, &fault);
                stop.run_until_cancelled(tokio::time::sleep(PAUSE_AFTER_FAULT)).await;
                continue;
            }
        };
        status.goes_on(NAME);
        if let Some(pause) = pause {
            stop.run_until_cancelled(tokio::time::sleep(pause)).await;
        }
    }
    Ok(())
}

/// One batch of those that are due; how many there were.
async fn fire(nats: &Client, pool: &Pool) -> Result<usize, Fault> {
    let mut connection = pool.get().await?;
    let transaction = connection.transaction().await?;
    let claim = transaction.prepare_cached(CLAIM).await?;
    let rows = transaction.query(&claim, &[&BATCH]).await?;
    if !rows.is_empty() {
        let commands = rows.iter().map(command).collect::<Result<Vec<_>, _>>()?;
        outgoing::store(nats, &commands).await?;
        let texts = |column| rows.iter().map(|row| row.try_get(column)).collect::<Result<Vec<&str>, _>>();
        transaction.execute(FORGET, &[&texts("tenant")?, &texts("timer_id")?]).await?;
    }
    transaction.commit().await?;
    Ok(rows.len())
}

async fn until_next(pool: &Pool) -> Result<Duration, Fault> {
    let connection = pool.get().await?;
    let next = connection.prepare_cached(NEXT).await?;
    let wait_ms: Option<i64> = connection.query_one(&next, &[]).await?.try_get("wait_ms")?;
    let wait = wait_ms.map_or(LONGEST_WAIT, |wait_ms| Duration::from_millis(wait_ms.cast_unsigned()));
    Ok(wait.min(LONGEST_WAIT))
}

fn command(row: &Row) -> Result<Outgoing, tokio_postgres::Error> {
    let (tenant, timer_id): (&str, &str) = (row.try_get("tenant")?, row.try_get("timer_id")?);
    let due_at: DateTime<Utc> = row.try_get("due_at")?;
    let cause: &str = row.try_get("cause")?;
    let id = stable_id("tmr_", &[tenant, timer_id, cause, &due_at.timestamp_micros().to_string()]);
    let body: &str = row.try_get("body")?;
    Ok(durable(tenant, row.try_get("facet")?, row.try_get("command")?, &id, body.to_owned()))
}

/// A command for the durable intake.
pub(crate) fn durable(tenant: &str, facet: &str, command: &str, id: &str, body: String) -> Outgoing {
    let subject = CommandSubject { tenant, facet, command, owner: None }.durable();
    let mut headers = HeaderMap::new();
    headers.insert(header::COMMAND_ID, id);
    headers.insert(header::CONTENT_TYPE, "application/json");
    headers.insert(header::EXPECTED_STREAM, INTAKE_STREAM);
    Outgoing { subject, headers, payload: body.into() }
}
