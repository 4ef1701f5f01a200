//! `GET /users/{userId}` and `GET /api/v1/guests/{guest_id}/profile`: what is known of one guest.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio_postgres::Row;

use crate::Service;
use crate::answer::Answer;
use crate::error::Fault;
use crate::guest_path::GuestPath;
use crate::instant;
use crate::parameters::Parameters;
use crate::read::{Models, Query, Reach, Scope, Snapshot};

const MODELS: Models = &["tenant", "identity", "profile"];

const PROFILE: &str = "
-- profile()
SELECT identity.canonical_id, profile.attributes::text AS attributes, profile.registered_at, profile.interaction_count,
       profile.first_seen_at, profile.last_seen_at, profile.version,
       greatest(profile.position, identity.position) AS position
FROM read.identity
JOIN read.profile ON profile.tenant = identity.tenant AND profile.guest_id = identity.canonical_id
WHERE identity.tenant = $1 AND identity.guest_id = $2
LIMIT 1";

const IDENTIFIERS: &str = "
-- profile_identifiers()
SELECT namespace, value
FROM read.identity_identifier
WHERE tenant = $1
  AND guest_id = (SELECT canonical_id FROM read.identity WHERE tenant = $1 AND guest_id = $2 LIMIT 1)
ORDER BY namespace, value
LIMIT 1000";

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
    let queries =
        [PROFILE, IDENTIFIERS].map(|sql| Query::new(sql).with(scope.tenant.to_string()).with(guest_id.clone()));
    let reach = Reach::guest(MODELS, &scope.tenant, &guest_id);
    let Snapshot { as_of, rows: [profile, identifiers] } = service.reader.read(&scope, reach, queries).await?;
    let row = profile.first().ok_or(Fault::GuestNotFound)?;
    let profile = Profile { identifiers: identifiers_in(&identifiers)?, as_of: as_of.to_string(), ..profile_in(row)? };
    let answer = Answer::as_of(as_of).tagged(profile.version, row.try_get("position")?);
    answer.canonical(&guest_id, &profile.guest_id).respond(&headers, &profile)
}

fn profile_in(row: &Row) -> Result<Profile, Fault> {
    let instant = |name| -> Result<_, Fault> { Ok(row.try_get::<_, Option<DateTime<Utc>>>(name)?.map(instant::utc)) };
    let attributes: Option<String> = row.try_get("attributes")?;
    Ok(Profile {
        guest_id: row.try_get("canonical_id")?,
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
