//! Asking for an act on the parking lot, and what became of it.

use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::Client;

use super::Parked;

const LOOK_EVERY: Duration = Duration::from_millis(100);

const ASK: &str = "
-- ask_for_parking_act()
INSERT INTO keepsake.parking_request (tenant, owner, projection, generation, pp, act, actor, reason, position)
SELECT tenant, owner, projection, generation, pp, $4, $5, $6, $7 FROM keepsake.parked_guest
WHERE tenant = $1 AND owner = $2 AND generation = $3
RETURNING request";

const OUTCOME: &str = "
-- parking_acts_of()
SELECT act, position, reason, folded, waiting FROM keepsake.parking_act WHERE request = $1 ORDER BY parking_act";

#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    Retry,
    Skip,
}

impl Act {
    /// As the audit trail calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Retry => "parking.retry",
            Self::Skip => "parking.skip",
        }
    }
}

/// What became of a request.
pub(super) struct Asked {
    pub(super) folded: i64,
    /// Position of the commit that was given up.
    pub(super) skipped: Option<i64>,
    pub(super) waiting: i64,
    /// From where on, and why.
    pub(super) position: i64,
    pub(super) reason: String,
}

/// The request's number; `None` when the guest is not parked any more.
pub(super) async fn ask(
    client: &Client,
    guest: &Parked,
    act: Act,
    reason: &str,
    actor: &str,
) -> anyhow::Result<Option<i64>> {
    let act = match act {
        Act::Retry => "retry",
        Act::Skip => "skip",
    };
    let row = client
        .query_opt(ASK, &[&guest.tenant, &guest.owner, &guest.generation, &act, &actor, &reason, &guest.position])
        .await?;
    Ok(row.map(|row| row.try_get("request")).transpose()?)
}

/// What a worker made of it; `None` when none did in time.
pub(super) async fn outcome(client: &Client, request: i64, until: Instant) -> anyhow::Result<Option<Asked>> {
    loop {
        let mut skipped = None;
        for row in client.query(OUTCOME, &[&request]).await? {
            let (act, position): (&str, i64) = (row.try_get("act")?, row.try_get("position")?);
            if act == "skip" {
                skipped = Some(position);
                continue;
            }
            let (folded, waiting, reason) = (row.try_get("folded")?, row.try_get("waiting")?, row.try_get("reason")?);
            return Ok(Some(Asked { folded, skipped, waiting, position, reason }));
        }
        if Instant::now() >= until {
            return Ok(None);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
