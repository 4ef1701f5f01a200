//! `GET /api/v1/guests/{guest_id}/live`: what happens to a guest, as Server-Sent Events, from now on or from where its reader left off.

mod tail;

use std::convert::Infallible;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::sse::Sse;
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use runtime::openapi::Responses;
use runtime::problem::Problem;
use runtime::tenant::TENANT_HEADER;
use utoipa::{IntoResponses, ToSchema};

use crate::Service;
use crate::answer::AS_OF_HEADER;
use crate::error::Fault;
use crate::guest_path::GuestPath;
use crate::openapi;
use crate::parameters::Parameters;
use crate::read::Scope;
use crate::resources::timeline::Seen;
pub(crate) use tail::LIVES;
use tail::Tail;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Tells proxies that what comes is not to be gathered.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// One event of the stream, as its lines spell it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is written line by line, and only described whole")]
struct LiveEvent {
    /// `<position>-<index>`, what `Last-Event-ID` takes; none of a `problem`.
    id: Option<String>,
    /// `ready`, `problem`, or the name of an event: `InteractionRecorded`.
    event: String,
    /// JSON: `{"as_of": ...}`, a problem, or an entry of the timeline.
    #[schema(content_media_type = "application/json")]
    data: String,
    /// Milliseconds after which a reader that lost the stream comes back.
    retry: Option<u32>,
}

pub(crate) struct Answers;

impl IntoResponses for Answers {
    fn responses() -> Responses {
        openapi::stream_of_a_guest(&[(429, "too_many_streams")])
    }
}

/// Watch what happens to a guest
///
/// Server-Sent Events, in the order of the log, from now on or after `Last-Event-ID`. First comes `ready`; then each event of the
/// timeline under its own name, with the entry of the timeline as data and an id to go on after. A comment every 15 seconds says that
/// the stream is alive. `problem` comes last, and says why it ended; a stream that ends without one is asked for again.
#[utoipa::path(
    get,
    path = "/guests/{guest_id}/live",
    operation_id = "watch_guest",
    tag = "guests",
    params(
        GuestPath,
        ("Last-Event-ID" = Option<String>, Header, pattern = "^[0-9]{1,18}-[0-9]{1,5}$",
            description = "The id of the last event you have: the stream goes on after it."),
        Scope
    ),
    responses(
        (status = 200, description = "What happens, as it happens.", body = LiveEvent, content_type = "text/event-stream"),
        Answers
    )
)]
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
