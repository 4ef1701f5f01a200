//! Putting this version's generations in the place of another's without asking: for a system that is just being started.

use std::time::Duration;

use event_log::{NatsAddress, User};
use projection_workers::rebuild::{self, built};
use runtime::config::Secret;

use super::build::{Building, catch_up};
use crate::migrate;

/// Nobody folds the other one any more: there is nothing to wait for but whoever reads.
const PATIENCE: Duration = Duration::from_secs(30);
const LANES: u8 = 4;

/// The read models of this version whose live generation is of another one.
pub(crate) async fn outdated(writer: &Secret) -> anyhow::Result<Vec<String>> {
    let all = built(&migrate::connect(writer, None).await?).await?;
    let outdated =
        all.iter().filter(|one| one.state == "live" && !one.is_known && rebuild::version(&one.projection).is_ok());
    Ok(outdated.map(|one| one.projection.clone()).collect())
}

/// Waits for the generation of this version, makes it live and drops the others.
pub(crate) async fn take_over(
    admin: &Secret,
    writer: &Secret,
    nats: &NatsAddress,
    projection: &str,
) -> anyhow::Result<()> {
    let (mut admin, writer) = (migrate::connect(admin, None).await?, migrate::connect(writer, None).await?);
    let log = event_log::connect(nats, User::Operator, "keepsake up").await?;
    let (number, _) = rebuild::begin(&mut admin, projection, LANES, false).await?;
    catch_up(&writer, &log, Building { projection, number }).await?;
    rebuild::switch(&mut admin, number, PATIENCE).await?;
    for one in schema::generations(&admin).await? {
        if one.projection == projection && !one.is_live() {
            rebuild::drop_generation(&mut admin, one.number, PATIENCE).await?;
        }
    }
    Ok(())
}
