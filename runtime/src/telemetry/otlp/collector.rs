//! The collector, as the exporter reaches it: over the client every process has. One that is gone disturbs nobody.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::http::{Request, Response};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

use crate::http_client::{HttpClient, HttpError};

const TIMEOUT: Duration = Duration::from_secs(10);
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// How often it is said that spans are lost.
const BETWEEN_WARNINGS: Duration = Duration::from_mins(1);

type Failure = Box<dyn std::error::Error + Send + Sync>;

pub(super) struct Collector {
    http: HttpClient,
    /// The exporter's thread is none of tokio's.
    runtime: Handle,
    warned: Mutex<Option<Instant>>,
}

impl Collector {
    pub(super) fn new(secure: bool, runtime: Handle) -> Result<Self, HttpError> {
        let http = if secure { HttpClient::secure(TIMEOUT)? } else { HttpClient::new(TIMEOUT) };
        Ok(Self { http, runtime, warned: Mutex::default() })
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Failure> {
        let (http, request) = (self.http.clone(), request.map(Body::from));
        let sending = self.runtime.spawn(async move {
            let (head, body) = http.forward(request).await?.into_parts();
            let body = tokio::time::timeout(TIMEOUT, to_bytes(body, MAX_ANSWER_BYTES)).await??;
            Ok::<_, Failure>(Response::from_parts(head, body))
        });
        sending.await?
    }

    fn warn(&self, why: &dyn fmt::Display) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.is_none_or(|at| at.elapsed() >= BETWEEN_WARNINGS) {
            *warned = Some(Instant::now());
            tracing::warn!("spans are lost, the collector does not take them: {why}");
        }
    }
}

impl opentelemetry_http::HttpClient for Collector {
    fn send_bytes<'a, 'b>(&'a self, request: Request<Bytes>) -> BoxFuture<'b, Result<Response<Bytes>, Failure>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            let answer = self.send(request).await;
            match &answer {
                Ok(answer) if answer.status().is_success() => {}
                Ok(answer) => self.warn(&answer.status()),
                Err(failure) => self.warn(failure),
            }
            answer
        })
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Collector")
    }
}
