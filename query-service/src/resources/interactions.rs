//! `GET /api/v1/guests/{guest_id}/interactions`: what one guest did, newest first.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use proto::identifier::GuestRef;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio_postgres::Row;

use crate::Service;
use crate::answer::Answer;
use crate::error::Fault;
use crate::guest_path::GuestPath;
use crate::instant;
use crate::page::{self, Cursor, Cursors, List, Place};
use crate::parameters::Parameters;
use crate::read::{Models, Query, Reach, Scope, Snapshot};
use filter::Filter;

mod filter;

const MODELS: Models = &["tenant", "identity", "interaction"];

const CANONICAL_ID: &str = "
-- canonical_id()
SELECT canonical_id
FROM read.identity
WHERE tenant = $1 AND guest_id = $2
LIMIT 1";

#[derive(Serialize)]
struct Interactions {
    data: Vec<Interaction>,
    cursor: Cursor,
    as_of: String,
}

#[derive(Serialize)]
struct Interaction {
    #[serde(rename = "interaction_id")]
    id: String,
    kind: String,
    topic: String,
    occurred_at: String,
    recorded_at: String,
    properties: Box<RawValue>,
    position: i64,
}

/// What the path and the query string ask for.
struct Asked {
    guest: GuestRef,
    filter: Filter,
    limit: u16,
    cursor: Option<String>,
}

impl Asked {
    fn parse(path: &GuestPath, mut parameters: Parameters) -> Result<Self, Fault> {
        let guest = path.parse(&mut parameters)?;
        let filter = Filter::take(&mut parameters)?;
        let limit = page::limit(&mut parameters)?;
        let cursor = parameters.take("cursor");
        parameters.finish()?;
        Ok(Self { guest, filter, limit, cursor })
    }
}

pub(crate) async fn list(
    State(service): State<Service>,
    scope: Scope,
    path: GuestPath,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let Asked { guest, filter, limit, cursor } = Asked::parse(&path, parameters)?;
    let guest_id = service.reader.guest_id(&scope, guest).await?;
    let filters = filter.texts();
    let list = List { name: "interactions", tenant: scope.tenant.as_str(), owner: &guest_id, filters: &filters };
    let after = cursor.map(|cursor| service.cursors.read(&list, &cursor)).transpose()?;

    let identity = Query::new(CANONICAL_ID).with(scope.tenant.to_string()).with(guest_id.clone());
    // One row more than the page takes tells whether there is another page.
    let page = filter.query(&scope.tenant, &guest_id, after, i64::from(limit) + 1);
    let reach = Reach::guest(MODELS, &scope.tenant, &guest_id);
    let Snapshot { as_of, rows: [identity, page] } = service.reader.read(&scope, reach, [identity, page]).await?;

    let canonical_id: &str = identity.first().ok_or(Fault::GuestNotFound)?.try_get("canonical_id")?;
    let interactions = Interactions {
        data: page.iter().take(limit.into()).map(interaction_in).collect::<Result<_, _>>()?,
        cursor: cursor_after(&service.cursors, &list, &page, limit)?,
        as_of: as_of.to_string(),
    };
    Answer::as_of(as_of).canonical(&guest_id, canonical_id).respond(&headers, &interactions)
}

fn cursor_after(cursors: &Cursors, list: &List<'_>, page: &[Row], limit: u16) -> Result<Cursor, Fault> {
    let has_more = page.len() > usize::from(limit);
    let seen = has_more.then(|| &page[usize::from(limit) - 1]).map(place_of).transpose()?;
    Ok(Cursor { next: seen.map(|seen| cursors.issue(list, &seen)), has_more, limit })
}

fn place_of(row: &Row) -> Result<Place, Fault> {
    Ok(Place { at: row.try_get("occurred_at")?, id: row.try_get("interaction_id")? })
}

fn interaction_in(row: &Row) -> Result<Interaction, Fault> {
    Ok(Interaction {
        id: row.try_get("interaction_id")?,
        kind: row.try_get("kind")?,
        topic: row.try_get("topic")?,
        occurred_at: instant::with_offset(row.try_get("occurred_at")?, row.try_get("occurred_at_offset_minutes")?),
        recorded_at: instant::utc(row.try_get("recorded_at")?),
        properties: RawValue::from_string(row.try_get("properties")?)?,
        position: row.try_get("position")?,
    })
}
