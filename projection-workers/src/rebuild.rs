//! Folding a read model anew beside the one that is read, comparing the two, and switching from one to the other.
//!
//! What is here only asks: [`schema`] makes the tables, and whichever workers know the version fold into them as into any other.

mod built;
mod diff;
mod serve;

use std::time::Duration;

use schema::{Generation, State, Switched, Version};
use tokio::time::Instant;
use tokio_postgres::Client;

use crate::projections::{ALL, VERSIONS};

pub use built::{Built, built};
pub use diff::{Diff, Difference, TableDiff, diff};
pub(crate) use serve::router;

/// Between two tries to switch, during which the other generation gets nearer.
const PAUSE: Duration = Duration::from_millis(200);

/// For lanes that are in the middle of a batch.
const PACE_PATIENCE: Duration = Duration::from_secs(30);

/// Why a read model is not folded anew, or not switched.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    #[error("there is no read model {0}: there are {1}")]
    Unknown(String, String),
    #[error("{0} has no generation that was live before: there is nothing to go back to")]
    NothingFormer(String),
    #[error("{0} has no generation beside the one that is read: `keepsake rebuild {0}` begins one")]
    NothingBuilt(String),
    #[error(
        "generation {generation} is {commits} commits behind what is read, so nothing was switched: see with `keepsake rebuild` \
         whether workers of its version run"
    )]
    Behind { generation: i32, commits: i64 },
    #[error(
        "it would have kept readers or workers waiting for too long, so nothing was done: try again when long reads have ended"
    )]
    Busy,
    #[error(transparent)]
    Schema(#[from] schema::SchemaError),
    #[error("the read database did not take a statement")]
    Database(#[from] tokio_postgres::Error),
}

/// This binary's version of a read model.
pub fn version(projection: &str) -> Result<&'static Version, RebuildError> {
    let unknown = || {
        let names: Vec<_> = ALL.iter().map(|kind| kind.name).collect();
        RebuildError::Unknown(projection.to_owned(), names.join(", "))
    };
    VERSIONS.iter().find(|version| version.projection == projection).ok_or_else(unknown)
}

/// Begins a generation of this binary's version, on so many lanes, or finds the one that is being built: its number, and whether
/// it was found. Workers build it whether or not anybody waits. `admin` may make schemas.
pub async fn begin(
    admin: &mut Client,
    projection: &str,
    lanes: u8,
    throttled: bool,
) -> Result<(i32, bool), RebuildError> {
    let version = version(projection)?;
    let is_it = |one: &Generation| one.state == State::Building && one.fingerprint == version.fingerprint;
    match schema::generations(admin).await?.into_iter().find(is_it) {
        Some(found) => {
            pace(admin, &found, throttled).await?;
            Ok((found.number, true))
        }
        None => Ok((schema::begin(admin, version, lanes, throttled).await?, false)),
    }
}

/// The generations of a read model: what is read, if anything is, and the one beside it in this state that was begun last.
pub async fn pair(
    client: &Client,
    projection: &str,
    state: Option<State>,
) -> Result<(Option<Generation>, Generation), RebuildError> {
    let all = schema::generations(client).await?;
    let of_it = || all.iter().filter(|one| one.projection == projection);
    let beside = of_it().rfind(|one| !one.is_live() && state.is_none_or(|state| one.state == state));
    let missing = || match state {
        Some(State::Former) => RebuildError::NothingFormer(projection.to_owned()),
        Some(State::Building | State::Live) | None => RebuildError::NothingBuilt(projection.to_owned()),
    };
    Ok((of_it().find(|one| one.is_live()).cloned(), beside.cloned().ok_or_else(missing)?))
}

/// Makes a generation the one that is read, once it is as far as what is read now; gives up after `patience`.
pub async fn switch(admin: &mut Client, generation: i32, patience: Duration) -> Result<(), RebuildError> {
    let until = Instant::now() + patience;
    loop {
        let switched = schema::switch(admin, generation, &VERSIONS).await?;
        let late = Instant::now() >= until;
        match switched {
            Switched::Done => return Ok(()),
            Switched::Behind { commits, .. } if late => return Err(RebuildError::Behind { generation, commits }),
            Switched::Busy if late => return Err(RebuildError::Busy),
            Switched::Behind { .. } | Switched::Busy => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Drops a generation that is not read; gives up after `patience` when somebody reads it after all.
pub async fn drop_generation(admin: &mut Client, generation: i32, patience: Duration) -> Result<(), RebuildError> {
    let until = Instant::now() + patience;
    while schema::drop_generation(admin, generation, &VERSIONS).await? != Switched::Done {
        if Instant::now() >= until {
            return Err(RebuildError::Busy);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Has a generation no longer give way to readers: it is nearly there.
pub async fn hurry(admin: &mut Client, generation: i32) -> Result<(), RebuildError> {
    if let Some(one) = schema::generations(admin).await?.iter().find(|one| one.number == generation) {
        pace(admin, one, false).await?;
    }
    Ok(())
}

async fn pace(admin: &mut Client, generation: &Generation, throttled: bool) -> Result<(), RebuildError> {
    let until = Instant::now() + PACE_PATIENCE;
    while schema::throttle(admin, generation, throttled).await? != Switched::Done {
        if Instant::now() >= until {
            return Err(RebuildError::Busy);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}
