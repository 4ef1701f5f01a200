//! `GET /api/v1/guests/{guest_id}/live`: what happens to a guest, as Server-Sent Events, from now on or from where its reader left off.

mod tail;

use std::convert::Infallible;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::sse::Sse;
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use runtime::problem::Problem;
use runtime::tenant::TENANT_HEADER;

use crate::Service;
use crate::answer::AS_OF_HEADER;
use crate::error::Fault;
use crate::guest_path::GuestPath;
use crate::parameters::Parameters;
use crate::read::Scope;
use crate::resources::timeline::Seen;
pub(crate) use tail::LIVES;
use tail::Tail;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Tells proxies that what comes is not to be gathered.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

pub(crate) async fn read(
    State(service): State<Service>,
    scope: Scope,
    path: GuestPath,
    mut parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let guest = path.parse(&mut parameters)?;
    parameters.finish()?;
    let from = last_event(&headers)?;
    let stream = service.streams.open(scope.principal.key())?;
    let guest_id = service.reader.guest_id(&scope, guest).await?;
    let tail = Tail::begin(service, scope, guest_id, from, credentials(&headers), stream).await?;
    let as_of = HeaderValue::try_from(tail.as_of().to_string()).map_err(|error| Problem::internal(&error))?;
    let events = stream::unfold(tail, async |mut tail| Some((Ok::<_, Infallible>(tail.next().await?), tail)));
    let fixed = [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (BUFFERING, HeaderValue::from_static("no")),
        (AS_OF_HEADER, as_of),
    ];
    Ok((fixed, Sse::new(Box::pin(events))).into_response())
}

/// After which event its reader wants to go on.
fn last_event(headers: &HeaderMap) -> Result<Option<Seen>, Fault> {
    let mut values = headers.get_all(LAST_EVENT_ID).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let seen = value.to_str().ok().filter(|_| values.next().is_none()).and_then(Seen::of_event);
    seen.map(Some).ok_or(Fault::Position("Last-Event-ID takes the id of an event of this stream: 1234-0"))
}

/// What has to hold for as long as the stream does.
fn credentials(headers: &HeaderMap) -> HeaderMap {
    let names = [header::AUTHORIZATION.as_str(), TENANT_HEADER];
    let kept = headers.iter().filter(|(name, _)| names.iter().any(|kept| name.as_str().eq_ignore_ascii_case(kept)));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}
