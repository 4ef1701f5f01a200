//! `/healthz/live` says the process turns; `/healthz/ready` asks every dependency and says which one is gone.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::future::{BoxFuture, join_all};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// One thing a process needs to do its work.
pub struct Check {
    name: &'static str,
    probe: Box<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>,
}

impl Check {
    /// `probe` says in one sentence what is wrong; it is cut off after two seconds.
    pub fn new<F, P>(name: &'static str, probe: P) -> Self
    where
        P: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self { name, probe: Box::new(move || Box::pin(probe())) }
    }

    async fn run(&self) -> CheckResult {
        let outcome = tokio::time::timeout(PROBE_TIMEOUT, (self.probe)()).await;
        let fault = outcome.unwrap_or_else(|_| Err("no answer within 2 s".to_owned())).err();
        CheckResult { name: self.name, ready: fault.is_none(), fault }
    }
}

#[derive(Serialize)]
struct CheckResult {
    name: &'static str,
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    checks: Vec<CheckResult>,
}

struct Health {
    checks: Vec<Check>,
    draining: CancellationToken,
}

/// The two health endpoints; `draining` makes the process not ready before it stops.
pub fn router(checks: Vec<Check>, draining: CancellationToken) -> Router {
    Router::new()
        .route("/healthz/live", get(async || Json(serde_json::json!({"live": true}))))
        .route("/healthz/ready", get(ready))
        .with_state(Arc::new(Health { checks, draining }))
}

async fn ready(State(health): State<Arc<Health>>) -> Response {
    let mut checks = join_all(health.checks.iter().map(Check::run)).await;
    if health.draining.is_cancelled() {
        checks.push(CheckResult { name: "process", ready: false, fault: Some("stopping".to_owned()) });
    }
    let ready = checks.iter().all(|check| check.ready);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, checks })).into_response()
}
