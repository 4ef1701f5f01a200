//! Doing an errand for as long as the process runs: whenever no other process does it.

use std::time::Duration;

use deadpool_postgres::Pool;
use tokio_util::sync::CancellationToken;

use super::{Hold, LOOK_EVERY, Status};
use crate::error::{Fault, Severity};

/// Another binary may be able to do what this one cannot: it finds the errand free meanwhile.
const PAUSE_AFTER_HALT: Duration = Duration::from_secs(5);
const GIVE_UP_WITHIN: Duration = Duration::from_secs(4);

pub(crate) trait Errand: Send + Sync + 'static {
    /// Names its row in Postgres.
    fn name(&self) -> String;

    /// Does it until `stop`, or until it cannot go on.
    fn work(&self, hold: &mut Hold, stop: &CancellationToken) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// Does the errand until `stop`; an error means that this process must stop: it is another log.
pub(crate) async fn run(
    errand: impl Errand,
    pool: Pool,
    status: Status,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let (name, holder) = (errand.name(), format!("worker_{}", runtime::clock::random_id().simple()));
    while !stop.is_cancelled() {
        let ended = turn(&errand, &name, &holder, &pool, &status, &stop).await;
        let pause = match ended {
            Ok(()) => LOOK_EVERY,
            // Somebody else does it, which is well; why it took so long is worth a line.
            Err(fault @ Fault::ErrandLost(_)) => {
                tracing::warn!(error = %fault, "lost");
                status.stands_by(&name);
                LOOK_EVERY
            }
            Err(fault) => {
                status.waits(&name, &fault);
                match fault.severity() {
                    Severity::Stop => return Err(fault.into()),
                    Severity::Halt => PAUSE_AFTER_HALT,
                    Severity::Retry => LOOK_EVERY,
                }
            }
        };
        stop.run_until_cancelled(tokio::time::sleep(pause)).await;
    }
    Ok(())
}

async fn turn(
    errand: &impl Errand,
    name: &str,
    holder: &str,
    pool: &Pool,
    status: &Status,
    stop: &CancellationToken,
) -> Result<(), Fault> {
    let Some(mut hold) = Hold::take(pool, name, holder).await? else {
        status.stands_by(name);
        return Ok(());
    };
    tracing::debug!(errand = name, position = hold.position(), "taken");
    let worked = errand.work(&mut hold, stop).await;
    let given_up = tokio::time::timeout(GIVE_UP_WITHIN, hold.give_up()).await;
    let given_up = given_up.unwrap_or(Err(Fault::Timeout(GIVE_UP_WITHIN.as_secs())));
    worked.and(given_up)
}
