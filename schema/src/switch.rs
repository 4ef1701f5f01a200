//! Beginning a generation, making it live, and dropping it.

use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Transaction};

use crate::error::SchemaError;
use crate::generation::{Generation, State, Version, generations};
use crate::{catalog, lane, read_model, track, view};

/// What is live stands still for no longer than this while the other one gets there.
const STAND_STILL: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A lane is free when its batch is written.
const FOR_LANES: &str = "SET LOCAL lock_timeout = '1s'; SET LOCAL statement_timeout = '1min'";
/// While this waits for a long read to end, others wait behind it.
const FOR_VIEWS: &str = "SET LOCAL lock_timeout = '300ms'";

const STILL: &str = "
-- hold_track()
SELECT FROM keepsake.lane WHERE track = $1 ORDER BY first_pp FOR UPDATE";

/// Partitions in which generation `$1` is not as far as what is served of `$2`.
const BEHIND: &str = "
-- partitions_behind()
SELECT count(*) AS partitions, COALESCE(max(served.position - p.position), 0) AS commits
FROM keepsake.generation_progress p
JOIN keepsake.generation_progress served ON served.generation = $2 AND served.pp = p.pp
WHERE p.generation = $1 AND p.position < served.position";

const STATE: &str = "
-- change_state()
UPDATE keepsake.generation SET state = $2, live_at = CASE WHEN $2 = 'live' THEN now() ELSE live_at END WHERE generation = $1";

const PACE: &str = "
-- throttle_track()
UPDATE keepsake.track SET throttled = $2 WHERE track = $1 AND throttled <> $2";

const IS_PACED: &str = "
-- track_is_throttled()
SELECT FROM keepsake.track WHERE track = $1 AND throttled = $2";

/// Begins one more generation of a read model, on a track of its own that is cut into so many lanes. Needs an administrator.
pub async fn begin(client: &mut Client, version: &Version, lanes: u8, throttled: bool) -> Result<i32, SchemaError> {
    let transaction = client.transaction().await?;
    lane::alone(&transaction).await?;
    let model = read_model::find(version.projection).ok_or(SchemaError::NoSql(version.projection))?;
    let track = track::new(&transaction, lanes, throttled).await?;
    let number = read_model::make(&transaction, model, version, track, State::Building).await?;
    let faults = catalog::faults(&transaction).await?;
    if !faults.is_empty() {
        return Err(SchemaError::Unsafe(faults));
    }
    transaction.commit().await?;
    Ok(number)
}

/// Has a generation that is being built give way to readers, or not.
pub async fn throttle(client: &mut Client, generation: &Generation, throttled: bool) -> Result<Switched, SchemaError> {
    if client.query_opt(IS_PACED, &[&generation.track, &throttled]).await?.is_some() {
        return Ok(Switched::Done);
    }
    busy(try_throttle(client, generation.track, throttled).await)
}

async fn try_throttle(client: &mut Client, track: i64, throttled: bool) -> Result<Switched, SchemaError> {
    let transaction = client.transaction().await?;
    transaction.batch_execute(FOR_LANES).await?;
    lane::settle(&transaction).await?;
    transaction.execute(PACE, &[&track, &throttled]).await?;
    // Lanes find out when they are taken up.
    lane::release(&transaction).await?;
    transaction.commit().await?;
    Ok(Switched::Done)
}

/// What became of a switch, or of a drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switched {
    Done,
    /// The generation is not where the live one is, by at most so many commits in so many partitions.
    Behind {
        partitions: i64,
        commits: i64,
    },
    /// A reader, or whoever folds, would have had to wait for too long.
    Busy,
}

/// Makes this generation the live one, if it is as far as what is served; readers see one or the other and never less than before.
/// The former one is folded on. `versions` are those the caller's binary folds. Needs an administrator.
pub async fn switch(client: &mut Client, number: i32, versions: &[Version]) -> Result<Switched, SchemaError> {
    busy(try_switch(client, number, versions).await)
}

async fn try_switch(client: &mut Client, number: i32, versions: &[Version]) -> Result<Switched, SchemaError> {
    let transaction = client.transaction().await?;
    transaction.batch_execute(FOR_LANES).await?;
    lane::alone(&transaction).await?;
    let all = generations(&transaction).await?;
    let next = all.iter().find(|one| one.number == number).ok_or(SchemaError::NoGeneration(number))?;
    let live = all.iter().find(|one| one.projection == next.projection && one.is_live());
    if let Some(live) = live.filter(|live| live.number != number) {
        transaction.query(STILL, &[&live.track]).await?;
        let behind = until_there(&transaction, next, live).await?;
        if behind != Switched::Done {
            return Ok(behind);
        }
    }
    lane::settle(&transaction).await?;
    set_apart(&transaction, &all, next, live).await?;
    lane::release(&transaction).await?;
    transaction.batch_execute(FOR_VIEWS).await?;
    show(&transaction, next, live).await?;
    track::gather(&transaction, versions).await?;
    transaction.commit().await?;
    Ok(Switched::Done)
}

/// Whoever folds the next one gets there while the live one stands still.
async fn until_there(
    transaction: &Transaction<'_>,
    next: &Generation,
    live: &Generation,
) -> Result<Switched, SchemaError> {
    let until = Instant::now() + STAND_STILL;
    loop {
        let row = transaction.query_one(BEHIND, &[&next.number, &live.number]).await?;
        let (partitions, commits): (i64, i64) = (row.try_get("partitions")?, row.try_get("commits")?);
        if partitions == 0 {
            return Ok(Switched::Done);
        }
        if Instant::now() >= until {
            return Ok(Switched::Behind { partitions, commits });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What was live is folded by itself from now on.
async fn set_apart(
    transaction: &Transaction<'_>,
    all: &[Generation],
    next: &Generation,
    live: Option<&Generation>,
) -> Result<(), SchemaError> {
    let is_with_others = |live: &&Generation| {
        live.number != next.number && all.iter().any(|one| one.track == live.track && one.number != live.number)
    };
    if let Some(live) = live.filter(is_with_others) {
        let away = track::new(transaction, track::LANES, false).await?;
        track::put(transaction, away, &[live.number]).await?;
    }
    Ok(())
}

async fn show(transaction: &Transaction<'_>, next: &Generation, live: Option<&Generation>) -> Result<(), SchemaError> {
    let live = live.filter(|live| live.number != next.number);
    if let Some(live) = live {
        transaction.execute(STATE, &[&live.number, &State::Former.name()]).await?;
    }
    transaction.execute(STATE, &[&next.number, &State::Live.name()]).await?;
    transaction.execute(PACE, &[&next.track, &false]).await?;
    view::show(transaction, &next.projection, &next.schema, &next.tables).await?;
    let former = live.map_or(&[][..], |live| &live.tables);
    let gone: Vec<_> = former.iter().filter(|table| !next.tables.contains(table)).cloned().collect();
    view::hide(transaction, &gone).await
}

/// Drops a generation that is not live, or whose read model this binary does not have. Needs an administrator.
pub async fn drop_generation(client: &mut Client, number: i32, versions: &[Version]) -> Result<Switched, SchemaError> {
    busy(try_drop(client, number, versions).await)
}

async fn try_drop(client: &mut Client, number: i32, versions: &[Version]) -> Result<Switched, SchemaError> {
    let transaction = client.transaction().await?;
    transaction.batch_execute(FOR_LANES).await?;
    lane::settle(&transaction).await?;
    let all = generations(&transaction).await?;
    let gone = all.iter().find(|one| one.number == number).ok_or(SchemaError::NoGeneration(number))?;
    if gone.is_live() && versions.iter().any(|version| version.projection == gone.projection) {
        return Err(SchemaError::Live(number));
    }
    // Somebody may be reading it still, in a comparison that takes an hour.
    transaction.batch_execute(FOR_VIEWS).await?;
    read_model::forget(&transaction, number, &gone.schema).await?;
    transaction.commit().await?;
    Ok(Switched::Done)
}

/// Whoever would have kept others waiting did nothing.
fn busy(done: Result<Switched, SchemaError>) -> Result<Switched, SchemaError> {
    match done {
        Err(SchemaError::Database(error)) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => Ok(Switched::Busy),
        done => done,
    }
}
