//! `GET /api/v1/guests/{guest_id}/identifiers`: what callers know a guest by.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, Utc};
use runtime::openapi::Responses;
use serde::Serialize;
use tokio_postgres::Row;
use utoipa::{IntoResponses, ToSchema};
use vault::audit::Act;

use crate::Service;
use crate::answer::Answer;
use crate::error::Fault;
use crate::guest_path::GuestPath;
use crate::instant;
use crate::openapi;
use crate::parameters::Parameters;
use crate::read::{Models, Query, Reach, Scope, Snapshot, members};

const MODELS: Models = &["tenant", "identity"];
const ACT: &Act = &Act::new("identifiers.read");

const IDENTIFIERS: &str = concat!(
    "
-- identifiers()
SELECT member.guest_id, known.*
FROM ",
    members!(),
    "
CROSS JOIN LATERAL (
  SELECT namespace, value, linked_at
  FROM read.identity_identifier
  WHERE tenant = $1 AND guest_id = member.guest_id
  ORDER BY namespace, value
  LIMIT 1000
) AS known
ORDER BY namespace, value
LIMIT 10000"
);

/// What callers know a guest by: at most 1,000 of each that was merged into it, and 10,000 in all.
#[derive(Serialize, ToSchema)]
#[schema(as = Identifiers)]
struct List {
    data: Vec<LinkedIdentifier>,
    /// The position of the log that all of this is as of.
    as_of: String,
}

#[derive(Serialize, ToSchema)]
struct LinkedIdentifier {
    namespace: String,
    value: String,
    /// Whose it is, of all that were merged into one.
    guest_id: String,
    #[schema(format = DateTime)]
    linked_at: String,
}

pub(crate) struct Answers;

impl IntoResponses for Answers {
    fn responses() -> Responses {
        openapi::read_of_a_guest(&[], &[])
    }
}

/// List a guest's identifiers
///
/// Its own, and those of the guests it was merged with.
#[utoipa::path(
    get,
    path = "/guests/{guest_id}/identifiers",
    operation_id = "list_guest_identifiers",
    tag = "identity",
    params(GuestPath, Scope),
    responses((status = 200, description = "The identifiers.", body = List), Answers)
)]
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
    let reach = Reach::guest(MODELS, ACT, &scope.tenant, &guest_id);
    let query = Query::new(IDENTIFIERS).with(scope.tenant.to_string());
    let Snapshot { as_of, parked_from, canonical_id, rows: [rows], .. } =
        service.reader.read(&scope, reach, [query]).await?;
    let canonical_id = canonical_id.ok_or(Fault::GuestNotFound)?;
    let list = List { data: rows.iter().map(linked).collect::<Result<_, _>>()?, as_of: as_of.to_string() };
    Answer::as_of(as_of).parked(parked_from).canonical(&guest_id, &canonical_id).respond(&headers, &list)
}

fn linked(row: &Row) -> Result<LinkedIdentifier, Fault> {
    Ok(LinkedIdentifier {
        namespace: row.try_get("namespace")?,
        value: row.try_get("value")?,
        guest_id: row.try_get("guest_id")?,
        linked_at: instant::utc(row.try_get::<_, DateTime<Utc>>("linked_at")?),
    })
}
