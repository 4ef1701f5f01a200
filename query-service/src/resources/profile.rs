//! `GET /users/{userId}` and `GET /api/v1/guests/{guest_id}/profile`: what is known of one guest.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, Utc};
use proto::identifier::GuestRef;
use runtime::openapi::Responses;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio_postgres::Row;
use utoipa::{IntoResponses, ToSchema};
use vault::audit::Act;

use crate::Service;
use crate::answer::Answer;
use crate::error::Fault;
use crate::fields::{Fields, Selectable};
use crate::guest_path::GuestPath;
use crate::instant;
use crate::openapi::{self, ETAG, IfNoneMatch, Selection};
use crate::parameters::Parameters;
use crate::position::Position;
use crate::read::{Kind, Models, Plain, Query, Reach, Scope, Snapshot, canonical_id, identity_of_own, members};

const MODELS: Models = &["tenant", "identity", "profile"];
const ACT: &Act = &Act::new("profile.read");

/// Attributes, version and registration are the canonical guest's own; what was done is everybody's together. The position is
/// the greatest of all rows that took part, so that the entity tag changes with any of them.
const PROFILE: &str = concat!(
    "
-- profile()
SELECT own.attributes::text AS attributes, own.registered_at, own.updated_at, own.is_active, own.version, together.*
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

/// The same of many guests, of whom each is everybody in its cluster: nearly all are.
pub(crate) const PROFILES: Kind = Kind {
    models: MODELS,
    rows: concat!(
        "
-- profiles()
SELECT guest_id, attributes::text AS attributes, registered_at, updated_at, is_active, version, interaction_count, first_seen_at,
       last_seen_at, position,
       ARRAY(
         SELECT namespace || ':' || value
         FROM read.identity_identifier
         WHERE tenant = $1 AND guest_id = own.guest_id
         ORDER BY namespace, value
         LIMIT 1000
       ) AS identifiers,
       ",
        identity_of_own!(),
        "
FROM read.profile AS own
WHERE tenant = $1 AND guest_id = ANY ($2)
LIMIT 10000"
    ),
};

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

/// What is known of a guest.
#[derive(Serialize, ToSchema)]
pub(super) struct Profile {
    /// The id that stands for all ids of the guest.
    guest_id: String,
    /// What callers call the guest, of all that were merged into one.
    identifiers: Vec<Identifier>,
    /// What callers said of the guest.
    #[schema(value_type = Object)]
    attributes: Box<RawValue>,
    /// Absent until somebody registers the guest.
    #[schema(required, format = DateTime)]
    registered_at: Option<String>,
    /// When somebody last said something of the guest itself.
    #[schema(required, format = DateTime)]
    updated_at: Option<String>,
    /// Whether things may be begun with the guest.
    is_active: bool,
    interaction_count: i64,
    #[schema(required, format = DateTime)]
    first_seen_at: Option<String>,
    #[schema(required, format = DateTime)]
    last_seen_at: Option<String>,
    /// How often the guest itself was written; no interaction counts.
    version: i64,
    /// The position of the log that all of this is as of.
    as_of: String,
}

impl Selectable for Profile {
    const FIELDS: &'static [&'static str] = &[
        "guest_id",
        "identifiers",
        "attributes",
        "registered_at",
        "updated_at",
        "is_active",
        "interaction_count",
        "first_seen_at",
        "last_seen_at",
        "version",
        "as_of",
    ];
}

/// What a caller calls a guest.
#[derive(Serialize, ToSchema)]
struct Identifier {
    namespace: String,
    value: String,
}

impl Identifier {
    /// As [`PROFILES`] writes it; no namespace has a colon.
    fn of_text(text: &str) -> Self {
        let (namespace, value) = text.split_once(':').expect("the statement puts one in");
        Self { namespace: namespace.to_owned(), value: value.to_owned() }
    }
}

pub(crate) struct Answers;

impl IntoResponses for Answers {
    fn responses() -> Responses {
        openapi::read_of_a_guest(&[ETAG], &[])
    }
}

/// Read a guest's profile
///
/// The same as a guest's profile, in the words of the user service.
#[utoipa::path(
    get,
    path = "/users/{guest_id}",
    operation_id = "get_user",
    tag = "guests",
    params(GuestPath, Selection, Scope, IfNoneMatch),
    responses(
        (status = 200, description = "What is known.", body = Profile),
        (status = 304, description = "You have it."),
        Answers
    )
)]
pub(crate) async fn read_user(
    service: State<Service>,
    scope: Scope,
    path: GuestPath,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    read(service, scope, path, parameters, headers).await
}

/// Read a guest's profile
///
/// What is known of the guest and of those it was merged with.
#[utoipa::path(
    get,
    path = "/guests/{guest_id}/profile",
    operation_id = "get_guest_profile",
    tag = "guests",
    params(GuestPath, Selection, Scope, IfNoneMatch),
    responses(
        (status = 200, description = "What is known.", body = Profile),
        (status = 304, description = "You have it."),
        Answers
    )
)]
pub(crate) async fn read(
    State(service): State<Service>,
    scope: Scope,
    path: GuestPath,
    mut parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let guest = path.parse(&mut parameters)?;
    let fields = Fields::take::<Profile>(&mut parameters)?;
    parameters.finish()?;
    answer(&service, &scope, guest, fields, &headers).await
}

/// The profile of one guest, as far as its reader asked for it.
pub(super) async fn answer(
    service: &Service,
    scope: &Scope,
    guest: GuestRef,
    fields: Option<Fields>,
    headers: &HeaderMap,
) -> Result<Response, Fault> {
    let guest_id = service.reader.guest_id(scope, guest).await?;
    let reach = Reach::guest(MODELS, ACT, &scope.tenant, &guest_id);
    if let Some(Plain { as_of, identity_position, row, .. }) = service.reader.plain_profile(scope, &reach).await? {
        let identifiers: Vec<&str> = row.try_get("identifiers")?;
        let identifiers = identifiers.into_iter().map(Identifier::of_text).collect();
        let profile = profile_in(&row, guest_id, identifiers, as_of)?;
        let position = row.try_get::<_, i64>("position")?.max(identity_position);
        let answer = Answer::as_of(as_of).tagged(profile.version, position);
        return answer.respond_with(headers, &profile, fields.as_ref());
    }
    let queries = [PROFILE, IDENTIFIERS].map(|sql| Query::new(sql).with(scope.tenant.to_string()));
    let Snapshot { as_of, parked_from, canonical_id, rows: [profile, identifiers], .. } =
        service.reader.read(scope, reach, queries).await?;
    let (canonical_id, row) = canonical_id.zip(profile.first()).ok_or(Fault::GuestNotFound)?;
    let profile = profile_in(row, canonical_id, identifiers_in(&identifiers)?, as_of)?;
    let answer = Answer::as_of(as_of).parked(parked_from).tagged(profile.version, row.try_get("position")?);
    answer.canonical(&guest_id, &profile.guest_id).respond_with(headers, &profile, fields.as_ref())
}

fn profile_in(row: &Row, guest_id: String, identifiers: Vec<Identifier>, as_of: Position) -> Result<Profile, Fault> {
    let instant = |name| -> Result<_, Fault> { Ok(row.try_get::<_, Option<DateTime<Utc>>>(name)?.map(instant::utc)) };
    let attributes: Option<String> = row.try_get("attributes")?;
    Ok(Profile {
        guest_id,
        identifiers,
        attributes: RawValue::from_string(attributes.unwrap_or_else(|| "{}".to_owned()))?,
        registered_at: instant("registered_at")?,
        updated_at: instant("updated_at")?,
        is_active: row.try_get::<_, Option<bool>>("is_active")?.unwrap_or(true),
        interaction_count: row.try_get("interaction_count")?,
        first_seen_at: instant("first_seen_at")?,
        last_seen_at: instant("last_seen_at")?,
        version: row.try_get("version")?,
        as_of: as_of.to_string(),
    })
}

fn identifiers_in(rows: &[Row]) -> Result<Vec<Identifier>, Fault> {
    rows.iter()
        .map(|row| Ok(Identifier { namespace: row.try_get("namespace")?, value: row.try_get("value")? }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::assert_complete;

    #[test]
    fn every_field_can_be_asked_for() {
        assert_complete(&Profile {
            guest_id: String::new(),
            identifiers: Vec::new(),
            attributes: RawValue::from_string("{}".to_owned()).expect("JSON"),
            registered_at: None,
            updated_at: None,
            is_active: true,
            interaction_count: 0,
            first_seen_at: None,
            last_seen_at: None,
            version: 0,
            as_of: String::new(),
        });
    }
}
