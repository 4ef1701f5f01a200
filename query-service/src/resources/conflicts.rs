//! `GET /api/v1/identity/conflicts`: who was said to be a guest and was not taken for it, for somebody to decide.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, Utc};
use runtime::openapi::Responses;
use runtime::tenant::Tenant;
use serde::Serialize;
use tokio_postgres::Row;
use utoipa::{IntoResponses, ToSchema};

use crate::Service;
use crate::answer::Answer;
use crate::error::Fault;
use crate::guest_list::Page;
use crate::instant;
use crate::openapi::{self, Paging};
use crate::page::{self, Cursor, Cursors, List};
use crate::parameters::Parameters;
use crate::read::{Models, Query, Reach, Scope, Snapshot};

const MODELS: Models = &["tenant", "identity"];

/// The newest first, from before a place on.
const CONFLICTS: &str = "
-- identity_conflicts()
SELECT guest_id, other_id, namespace, reason, detected_at, event_id, position, event_index
FROM read.identity_conflict
WHERE tenant = $1 AND (position, event_index) < ($2, $3)
ORDER BY position DESC, event_index DESC
LIMIT $4";

/// Two guests who were not taken for one.
#[derive(Serialize, ToSchema)]
struct Conflict {
    event_id: String,
    /// Who was said to be known by an identifier.
    guest_id: String,
    /// Who is known by it; empty when nobody is.
    other_id: String,
    /// What kind of identifier it is.
    namespace: String,
    /// `both_identified`, `too_many_identifiers`, `too_many_members` or `too_much_known`.
    reason: String,
    #[schema(format = DateTime)]
    detected_at: String,
    /// Where it stands in the log.
    position: i64,
}

pub(crate) struct Answers;

impl IntoResponses for Answers {
    fn responses() -> Responses {
        openapi::list_of_many(&[(403, "wrong_principal")])
    }
}

/// List conflicts of identity
///
/// Logins that would have made one of two guests who are both identified, and identifiers there was no room for: newest first. Ids of
/// ours and words; merging the two is for somebody to decide.
#[utoipa::path(
    get,
    path = "/identity/conflicts",
    operation_id = "list_identity_conflicts",
    tag = "identity",
    params(Paging, Scope),
    responses((status = 200, description = "A page.", body = Page<Conflict>), Answers)
)]
pub(crate) async fn read(
    State(service): State<Service>,
    scope: Scope,
    mut parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    if scope.principal.own().is_some() {
        return Err(Fault::WrongPrincipal("this is about all guests of the tenant, and your token is one guest's"));
    }
    let limit = page::limit(&mut parameters)?;
    let cursor = parameters.take("cursor");
    parameters.finish()?;
    let list = List { name: "identity_conflicts", tenant: scope.tenant.as_str(), owner: "", filters: &[] };
    let before = match cursor {
        None => Place::last(),
        Some(cursor) => Place::parse(&service.cursors.read(&list, &cursor)?).ok_or(Fault::Cursor)?,
    };
    let query = query(&scope.tenant, before, i64::from(limit) + 1);
    let Snapshot { as_of, parked_from, rows: [rows], .. } =
        service.reader.read(&scope, Reach::everybody(MODELS), [query]).await?;
    let data = rows.iter().take(limit.into()).map(conflict).collect::<Result<Vec<_>, _>>()?;
    let cursor = cursor_after(&service.cursors, &list, &rows, limit)?;
    Answer::as_of(as_of).parked(parked_from).respond(&headers, &Page { data, cursor, as_of: as_of.to_string() })
}

/// Where a conflict stands in the list.
#[derive(Clone, Copy)]
struct Place {
    position: i64,
    event_index: i16,
}

impl Place {
    /// After every other one.
    fn last() -> Self {
        Self { position: i64::MAX, event_index: i16::MAX }
    }

    fn of(row: &Row) -> Result<Self, Fault> {
        Ok(Self { position: row.try_get("position")?, event_index: row.try_get("event_index")? })
    }

    fn bytes(self) -> Vec<u8> {
        [&self.position.to_be_bytes()[..], &self.event_index.to_be_bytes()].concat()
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (position, event_index) = bytes.split_first_chunk()?;
        let (position, event_index) = (i64::from_be_bytes(*position), i16::from_be_bytes(event_index.try_into().ok()?));
        Some(Self { position, event_index })
    }
}

fn query(tenant: &Tenant, before: Place, limit: i64) -> Query {
    Query::new(CONFLICTS).with(tenant.to_string()).with(before.position).with(before.event_index).with(limit)
}

fn cursor_after(cursors: &Cursors, list: &List<'_>, rows: &[Row], limit: u16) -> Result<Cursor, Fault> {
    let has_more = rows.len() > usize::from(limit);
    let seen = has_more.then(|| &rows[usize::from(limit) - 1]).map(Place::of).transpose()?;
    Ok(Cursor { next: seen.map(|seen| cursors.issue(list, &seen.bytes())), has_more, limit })
}

fn conflict(row: &Row) -> Result<Conflict, Fault> {
    Ok(Conflict {
        event_id: row.try_get("event_id")?,
        guest_id: row.try_get("guest_id")?,
        other_id: row.try_get("other_id")?,
        namespace: row.try_get("namespace")?,
        reason: row.try_get("reason")?,
        detected_at: instant::utc(row.try_get::<_, DateTime<Utc>>("detected_at")?),
        position: row.try_get("position")?,
    })
}
