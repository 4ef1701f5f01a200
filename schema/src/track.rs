//! Tracks: generations that are folded together, by the same lanes. One binary must know all of a track, or nobody could fold it.

use tokio_postgres::{GenericClient, Transaction};

use crate::error::SchemaError;
use crate::generation::{Generation, State, Version, generations};
use crate::lane;

const NEW: &str = "
-- new_track()
INSERT INTO keepsake.track (throttled) VALUES ($1) RETURNING track";

const MOVE: &str = "
-- move_generations()
UPDATE keepsake.generation SET track = $1 WHERE generation = ANY ($2)";

const DROP_EMPTY: &str = "
-- drop_empty_tracks()
WITH empty AS (
  SELECT track FROM keepsake.track t WHERE NOT EXISTS (SELECT FROM keepsake.generation g WHERE g.track = t.track)
), lanes AS (
  DELETE FROM keepsake.lane WHERE track IN (SELECT track FROM empty)
)
DELETE FROM keepsake.track WHERE track IN (SELECT track FROM empty)";

/// Lanes a track is cut into unless somebody says otherwise.
pub(crate) const LANES: u8 = 4;

/// A track of nothing yet.
pub(crate) async fn new(transaction: &impl GenericClient, lanes: u8, throttled: bool) -> Result<i64, SchemaError> {
    let track = transaction.query_one(NEW, &[&throttled]).await?.try_get("track")?;
    lane::cut(transaction, track, lanes).await?;
    Ok(track)
}

/// Puts generations on a track, between [`lane::settle`] and [`lane::release`].
pub(crate) async fn put(transaction: &impl GenericClient, track: i64, numbers: &[i32]) -> Result<(), SchemaError> {
    transaction.execute(MOVE, &[&track, &numbers]).await?;
    Ok(())
}

pub(crate) async fn drop_empty(transaction: &impl GenericClient) -> Result<(), SchemaError> {
    transaction.execute(DROP_EMPTY, &[]).await?;
    Ok(())
}

/// Where what is live belongs: the track with the most of it that has nothing which is not live or not of `versions`.
fn home(all: &[Generation], versions: &[Version]) -> Option<i64> {
    let there = |track: i64| all.iter().filter(move |generation| generation.track == track);
    let is_home = |track: &i64| there(*track).all(|generation| generation.is_live() && is_of(versions, generation));
    // Of two that have as many the older one.
    all.iter().map(|one| one.track).filter(is_home).max_by_key(|track| (there(*track).count(), -track))
}

/// How far a generation is behind the furthest lane of a track, partition by partition; less than this is caught up with at once.
const NEAR: i64 = 1_000;

const BEHIND: &str = "
-- behind_track()
SELECT COALESCE(max(l.position - p.position), 0) AS commits
FROM keepsake.generation_progress p
JOIN keepsake.lane l ON l.track = $2 AND p.pp BETWEEN l.first_pp AND l.last_pp
WHERE p.generation = $1";

/// Has everything that is live and of `versions` folded together: the log is read once for all of it. What is far behind stays by
/// itself for now, since the others would have to wait for it.
pub(crate) async fn gather(transaction: &Transaction<'_>, versions: &[Version]) -> Result<(), SchemaError> {
    let all = generations(transaction).await?;
    let Some(home) = home(&all, versions) else { return Ok(()) };
    let mut joining = Vec::new();
    for one in all.iter().filter(|one| one.is_live() && is_of(versions, one) && one.track != home) {
        let row = transaction.query_one(BEHIND, &[&one.number, &home]).await?;
        if row.try_get::<_, i64>("commits")? < NEAR {
            joining.push(one.number);
        }
    }
    if joining.is_empty() {
        return Ok(());
    }
    lane::settle(transaction).await?;
    put(transaction, home, &joining).await?;
    drop_empty(transaction).await?;
    Ok(lane::release(transaction).await?)
}

/// Takes what this binary can fold, and is live, from tracks that have something in them which it cannot: whichever binary ends
/// first, the other folds its own on.
pub(crate) async fn split(transaction: &Transaction<'_>, versions: &[Version]) -> Result<(), SchemaError> {
    let all = generations(transaction).await?;
    let is_strange = |generation: &Generation| generation.state == State::Live && !is_of(versions, generation);
    let strange: Vec<i64> = all.iter().filter(|generation| is_strange(generation)).map(|one| one.track).collect();
    let ours = |generation: &&Generation| {
        generation.is_live() && is_of(versions, generation) && strange.contains(&generation.track)
    };
    let ours: Vec<i32> = all.iter().filter(ours).map(|generation| generation.number).collect();
    if ours.is_empty() {
        return Ok(());
    }
    lane::settle(transaction).await?;
    let track = new(transaction, LANES, false).await?;
    put(transaction, track, &ours).await?;
    Ok(lane::release(transaction).await?)
}

pub(crate) fn is_of(versions: &[Version], generation: &Generation) -> bool {
    versions.iter().any(|version| version.fingerprint == generation.fingerprint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(fingerprint: &str) -> Version {
        Version { projection: "profile", fingerprint: fingerprint.to_owned() }
    }

    fn generation(number: i32, fingerprint: &str, track: i64, state: State) -> Generation {
        let (projection, fingerprint) = ("profile".to_owned(), fingerprint.to_owned());
        Generation { number, projection, fingerprint, schema: String::new(), tables: Vec::new(), track, state }
    }

    #[test]
    fn what_is_live_belongs_where_most_of_it_is_and_one_binary_knows_all() {
        let ours = [version("a"), version("b"), version("c")];
        let of_ours = [
            generation(1, "a", 8, State::Live),
            generation(2, "b", 7, State::Live),
            generation(3, "c", 7, State::Live),
            generation(4, "b", 9, State::Building),
        ];
        assert_eq!(home(&of_ours, &ours), Some(7));
        let strange = [&of_ours[..], &[generation(5, "x", 7, State::Live)]].concat();
        assert_eq!(home(&strange, &ours), Some(8));
        let former = [&of_ours[..1], &[generation(5, "b", 8, State::Former)]].concat();
        assert_eq!(home(&former, &ours), None);
    }
}
