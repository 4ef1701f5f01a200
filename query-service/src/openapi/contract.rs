//! `GET /openapi.json`: the document of the whole origin, of this service's part and the command service's.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use data_encoding::HEXLOWER;
use runtime::openapi::{Header, Responses, refusals, succeeds_with};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use utoipa::IntoResponses;

use super::merge::merge;
use super::{ETAG, IfNoneMatch};
use crate::Service;
use crate::answer::has;
use crate::error::Fault;
use crate::pass_through::CommandService;

/// The command service may be of another release a minute later.
const FRESH: Duration = Duration::from_mins(1);
/// However many ask, the command service is asked that seldom while it does not answer.
const BETWEEN_QUESTIONS: Duration = Duration::from_secs(2);
const CACHE_CONTROL: &str = "public, max-age=60";

/// The merged document, kept for a minute; while the command service is away, the last one. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Contract(Arc<Source>);

struct Source {
    own: Value,
    commands: CommandService,
    known: RwLock<Option<Known>>,
    /// When the command service was last asked. Held while it is: everybody else waits for the answer.
    asked: Arc<Mutex<Option<Instant>>>,
}

#[derive(Clone)]
struct Known {
    since: Instant,
    text: Bytes,
    etag: String,
}

impl Contract {
    pub(crate) fn new(own: Value, commands: CommandService) -> Self {
        Self(Arc::new(Source { own, commands, known: RwLock::default(), asked: Arc::default() }))
    }

    async fn current(&self) -> Result<Known, Fault> {
        if let Some(known) = self.0.known().filter(|known| known.since.elapsed() < FRESH) {
            return Ok(known);
        }
        let asked = Arc::clone(&self.0.asked).lock_owned().await;
        if let Some(asking) = Source::ask(&self.0, asked) {
            asking.await?;
        }
        self.0.known().ok_or(Fault::ContractUnknown)
    }
}

impl Source {
    fn known(&self) -> Option<Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks in a task of its own: whoever waits may hang up, and the answer is everybody's.
    fn ask(self: &Arc<Self>, mut asked: OwnedMutexGuard<Option<Instant>>) -> Option<JoinHandle<()>> {
        if asked.is_some_and(|at| at.elapsed() < BETWEEN_QUESTIONS) {
            return None;
        }
        let source = Arc::clone(self);
        Some(tokio::spawn(async move {
            match source.commands.contract().await {
                Ok(commands) => {
                    let known = Known::of(&merge(&source.own, commands));
                    *source.known.write().unwrap_or_else(PoisonError::into_inner) = Some(known);
                }
                Err(reason) => tracing::warn!(reason, "the command service does not say what it takes"),
            }
            // Whoever waited meanwhile has this answer, too, and asks no other.
            *asked = Some(Instant::now());
        }))
    }
}

impl Known {
    fn of(document: &Value) -> Self {
        let text = Bytes::from(document.to_string());
        let etag = format!("\"{}\"", &HEXLOWER.encode(&Sha256::digest(&text))[..16]);
        Self { since: Instant::now(), text, etag }
    }
}

pub(crate) struct Answers;

impl IntoResponses for Answers {
    fn responses() -> Responses {
        let kept = Header { name: "Cache-Control", about: "Anybody may keep it for a minute.", example: CACHE_CONTROL };
        let mut answers = succeeds_with(&[ETAG, kept]);
        answers.extend(refusals(&[&[(500, "internal"), (503, "command_service_unavailable")]]));
        answers
    }
}

/// This document
///
/// What the whole origin takes and gives, as OpenAPI 3.1.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "get_openapi_document",
    tag = "documents",
    params(IfNoneMatch),
    responses(
        (status = 200, description = "The document.", body = Object),
        (status = 304, description = "You have it."),
        Answers
    )
)]
pub(crate) async fn read(State(service): State<Service>, headers: HeaderMap) -> Result<Response, Fault> {
    let Known { text, etag, .. } = service.contract.current().await?;
    let is_known = has(&headers, &etag);
    let head = Response::builder().header(header::CACHE_CONTROL, CACHE_CONTROL).header(header::ETAG, etag);
    if is_known {
        return Ok(head.status(StatusCode::NOT_MODIFIED).body(Body::empty())?);
    }
    Ok(head.header(header::CONTENT_TYPE, "application/json").body(Body::from(text))?)
}
