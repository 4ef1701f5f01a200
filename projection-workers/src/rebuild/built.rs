//! How far each generation is.

use schema::State;
use serde::Serialize;
use tokio_postgres::Client;

use crate::projections::VERSIONS;

const BUILT: &str = "
-- built()
SELECT g.generation, g.projection, g.state, g.fingerprint, g.track, t.throttled, min(p.position) AS position,
       avg(p.position)::float8 AS mean_position,
       to_char(g.begun_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS begun_at,
       (SELECT count(*) FROM keepsake.parked_guest k WHERE k.generation = g.generation) AS parked_guests,
       (SELECT count(*) FROM keepsake.lane l WHERE l.track = g.track) AS lanes,
       (SELECT count(*) FROM keepsake.lane l JOIN keepsake.worker w ON w.worker = l.holder AND w.expires_at > now()
        WHERE l.track = g.track) AS lanes_held
FROM keepsake.generation g
JOIN keepsake.track t ON t.track = g.track
JOIN keepsake.generation_progress p ON p.generation = g.generation
GROUP BY g.generation, t.throttled
ORDER BY g.projection, g.generation";

/// One generation of a read model, and how far it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Built {
    pub projection: String,
    pub generation: i32,
    /// `building`, `live` or `former`.
    pub state: &'static str,
    /// Of the SQL and the fold it is made by.
    pub version: String,
    /// Whether this binary folds that version.
    pub is_known: bool,
    /// Log position up to which all of it is folded.
    pub position: i64,
    /// The mean over its partitions: what a progress bar shows.
    pub mean_position: f64,
    /// Guests with a commit that cannot be folded into it.
    pub parked_guests: i64,
    /// Generations of one track are folded together.
    pub track: i64,
    /// It gives way to readers.
    pub throttled: bool,
    pub lanes: i64,
    /// Those that a worker holds: without any it is not folded.
    pub lanes_held: i64,
    /// RFC 3339, UTC.
    pub begun_at: String,
}

/// Every generation there is, by read model and age.
pub async fn built(client: &Client) -> Result<Vec<Built>, tokio_postgres::Error> {
    let mut all = Vec::new();
    for row in client.query(BUILT, &[]).await? {
        let version: String = row.try_get("fingerprint")?;
        let state: &str = row.try_get("state")?;
        let states = [State::Building, State::Live, State::Former].map(State::name);
        all.push(Built {
            projection: row.try_get("projection")?,
            generation: row.try_get("generation")?,
            state: states.into_iter().find(|name| *name == state).unwrap_or_default(),
            is_known: VERSIONS.iter().any(|known| known.fingerprint == version),
            version,
            position: row.try_get("position")?,
            mean_position: row.try_get("mean_position")?,
            parked_guests: row.try_get("parked_guests")?,
            track: row.try_get("track")?,
            throttled: row.try_get("throttled")?,
            lanes: row.try_get("lanes")?,
            lanes_held: row.try_get("lanes_held")?,
            begun_at: row.try_get("begun_at")?,
        });
    }
    Ok(all)
}
