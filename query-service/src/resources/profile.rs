//! `GET /users/{userId}` and `GET /api/v1/guests/{guest_id}/profile`: what is known of one guest.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio_postgres::Row;
use vault::audit::Act;

use crate::Service;
use crate::answer::Answer;
use crate::error::Fault;
use crate::guest_path::GuestPath;
use crate::instant;
use crate::parameters::Parameters;
use crate::read::{Models, Query, Reach, Scope, Snapshot, canonical_id, members};

const MODELS: Models = &["tenant", "identity", "profile"];
const ACT: &Act = &Act::new("profile.read");

/// Attributes, version and registration are the canonical guest's own; what was done is everybody's together. The position is
/// the greatest of all rows that took part, so that the entity tag changes with any of them.
const PROFILE: &str = concat!(
    "
-- profile()
SELECT own.attributes::text AS attributes, own.registered_at, own.version, together.*
FROM read.profile AS own
CROSS JOIN (
  SELECT sum(part.interaction_count)::bigint AS interaction_count, min(part.first_seen_at) AS first_seen_at,
         max(part.last_seen_at) AS last_seen_at, max(part.position) AS position
  FROM ",
    members!(),
    "
  CROSS JOIN LATERAL (
    (SELECT interaction_count, first_seen_at, last_seen_at, position
     FROM read.profile
     WHERE tenant = $1 AND guest_id = member.guest_id
     LIMIT 1)
    UNION ALL
    (SELECT 0, NULL, NULL, position
     FROM read.identity
     WHERE tenant = $1 AND guest_id = member.guest_id
     LIMIT 1)
  ) AS part
) AS together
WHERE own.tenant = $1 AND own.guest_id = ",
    canonical_id!(),
    "
LIMIT 1"
);

const IDENTIFIERS: &str = concat!(
    "
-- profile_identifiers()
SELECT known.*
FROM ",
    members!(),
    "
CROSS JOIN LATERAL (
  SELECT namespace, value
  FROM read.identity_identifier
  WHERE tenant = $1 AND guest_id = member.guest_id
  ORDER BY namespace, value
  LIMIT 1000
) AS known
ORDER BY namespace, value
LIMIT 1000"
);

#[derive(Serialize)]
struct Profile {
    guest_id: String,
    identifiers: Vec<Identifier>,
    attributes: Box<RawValue>,
    registered_at: Option<String>,
    interaction_count: i64,
    first_seen_at: Option<String>,
    last_seen_at: Option<String>,
    version: i64,
    as_of: String,
}

#[derive(Serialize)]
struct Identifier {
    namespace: String,
    value: String,
}

pub(crate) async fn read(
    State(service): State<Service>,
    scope: Scope,
    path: GuestPath,
    mut parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let guest = path.parse(&mut parameters)?;
    parameters.finish()?;
    let guest_id = service.reader.guest_id(&scope, guest).await?;
    let queries = [PROFILE, IDENTIFIERS].map(|sql| Query::new(sql).with(scope.tenant.to_string()));
    let reach = Reach::guest(MODELS, ACT, &scope.tenant, &guest_id);
    let Snapshot { as_of, parked_from, canonical_id, rows: [profile, identifiers], .. } =
        service.reader.read(&scope, reach, queries).await?;
    let (canonical_id, row) = canonical_id.zip(profile.first()).ok_or(Fault::GuestNotFound)?;
    let identifiers = identifiers_in(&identifiers)?;
    let profile = Profile { guest_id: canonical_id, identifiers, as_of: as_of.to_string(), ..profile_in(row)? };
    let answer = Answer::as_of(as_of).parked(parked_from).tagged(profile.version, row.try_get("position")?);
    answer.canonical(&guest_id, &profile.guest_id).respond(&headers, &profile)
}

fn profile_in(row: &Row) -> Result<Profile, Fault> {
    let instant = |name| -> Result<_, Fault> { Ok(row.try_get::<_, Option<DateTime<Utc>>>(name)?.map(instant::utc)) };
    let attributes: Option<String> = row.try_get("attributes")?;
    Ok(Profile {
        guest_id: String::new(),
        identifiers: Vec::new(),
        attributes: RawValue::from_string(attributes.unwrap_or_else(|| "{}".to_owned()))?,
        registered_at: instant("registered_at")?,
        interaction_count: row.try_get("interaction_count")?,
        first_seen_at: instant("first_seen_at")?,
        last_seen_at: instant("last_seen_at")?,
        version: row.try_get("version")?,
        as_of: String::new(),
    })
}

fn identifiers_in(rows: &[Row]) -> Result<Vec<Identifier>, Fault> {
    rows.iter()
        .map(|row| Ok(Identifier { namespace: row.try_get("namespace")?, value: row.try_get("value")? }))
        .collect()
}
