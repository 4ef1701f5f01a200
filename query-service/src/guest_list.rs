//! A list of one guest's and of those it was merged with: read, filtered and paged the same way whatever it lists.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use proto::identifier::GuestRef;
use runtime::tenant::Tenant;
use serde::Serialize;
use tokio_postgres::Row;
use utoipa::ToSchema;
use vault::audit::Act;

use crate::Service;
use crate::answer::Answer;
use crate::error::Fault;
use crate::fields::{Fields, Selectable};
use crate::guest_path::GuestPath;
use crate::page::{self, Cursor, Cursors, List};
use crate::parameters::Parameters;
use crate::read::{Models, Query, Reach, Scope, Snapshot};

/// A kind of list. The implementing type is what a request asks of it: its filters.
pub(crate) trait GuestList: Sized + Send + Sync {
    /// Its cursors are no other list's.
    const NAME: &'static str;
    const MODELS: Models;
    /// Reading it, as the audit trail calls it.
    const ACT: &'static Act;
    type Item: Selectable;
    type Place: Place;

    /// Takes the filters.
    fn take(parameters: &mut Parameters) -> Result<Self, Fault>;

    /// The filters as a cursor is bound to them.
    fn filters(&self) -> Vec<Option<&str>>;

    /// Finds at most `limit` rows of the guest's cluster that come after `after`, or the first.
    fn query(&self, tenant: &Tenant, after: Option<Self::Place>, limit: i64) -> Query;

    fn item(row: &Row) -> Result<Self::Item, Fault>;

    fn place(row: &Row) -> Result<Self::Place, Fault>;
}

/// Where a row stands in its list: the values the list is ordered by.
pub(crate) trait Place: Sized + Send {
    fn bytes(&self) -> Vec<u8>;

    /// `None` for bytes that are no place of this list.
    fn parse(bytes: &[u8]) -> Option<Self>;
}

/// A page of a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct Page<T> {
    pub(crate) data: Vec<T>,
    pub(crate) cursor: Cursor,
    /// The position of the log that the page is as of.
    pub(crate) as_of: String,
}

/// What the path and the query string ask for.
struct Asked<L> {
    guest: GuestRef,
    list: L,
    fields: Option<Fields>,
    limit: u16,
    cursor: Option<String>,
}

impl<L: GuestList> Asked<L> {
    fn parse(path: &GuestPath, mut parameters: Parameters) -> Result<Self, Fault> {
        let guest = path.parse(&mut parameters)?;
        let list = L::take(&mut parameters)?;
        let fields = Fields::take::<L::Item>(&mut parameters)?;
        let limit = page::limit(&mut parameters)?;
        let cursor = parameters.take("cursor");
        parameters.finish()?;
        Ok(Self { guest, list, fields, limit, cursor })
    }
}

/// Answers a page of the list.
pub(crate) async fn read<L: GuestList>(
    State(service): State<Service>,
    scope: Scope,
    path: GuestPath,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let Asked { guest, list: asked, fields, limit, cursor } = Asked::<L>::parse(&path, parameters)?;
    let guest_id = service.reader.guest_id(&scope, guest).await?;
    let filters = asked.filters();
    let list = List { name: L::NAME, tenant: scope.tenant.as_str(), owner: &guest_id, filters: &filters };
    let after = cursor.map(|cursor| seen::<L>(&service.cursors, &list, &cursor)).transpose()?;

    // One row more than the page takes tells whether there is another page.
    let page = asked.query(&scope.tenant, after, i64::from(limit) + 1);
    let reach = Reach::guest(L::MODELS, L::ACT, &scope.tenant, &guest_id);
    let Snapshot { as_of, parked_from, canonical_id, rows: [rows], .. } =
        service.reader.read(&scope, reach, [page]).await?;

    let canonical_id = canonical_id.ok_or(Fault::GuestNotFound)?;
    let (items, cursor) =
        (rows.iter().take(limit.into()).map(L::item), cursor_after::<L>(&service.cursors, &list, &rows, limit)?);
    let answer = Answer::as_of(as_of).parked(parked_from).canonical(&guest_id, &canonical_id);
    let as_of = as_of.to_string();
    match fields {
        None => answer.respond(&headers, &Page { data: items.collect::<Result<Vec<_>, _>>()?, cursor, as_of }),
        Some(fields) => {
            let data = items.map(|item| fields.of(&item?)).collect::<Result<Vec<_>, _>>()?;
            answer.respond(&headers, &Page { data, cursor, as_of })
        }
    }
}

fn seen<L: GuestList>(cursors: &Cursors, list: &List<'_>, cursor: &str) -> Result<L::Place, Fault> {
    L::Place::parse(&cursors.read(list, cursor)?).ok_or(Fault::Cursor)
}

fn cursor_after<L: GuestList>(cursors: &Cursors, list: &List<'_>, rows: &[Row], limit: u16) -> Result<Cursor, Fault> {
    let has_more = rows.len() > usize::from(limit);
    let seen = has_more.then(|| &rows[usize::from(limit) - 1]).map(L::place).transpose()?;
    Ok(Cursor { next: seen.map(|seen| cursors.issue(list, &seen.bytes())), has_more, limit })
}
