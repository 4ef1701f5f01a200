//! `/healthz/live` says the process turns; `/healthz/ready` asks every dependency and says which one is gone.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, join_all};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an outcome stands: probing costs a connection to each dependency, however many probe.
const KEPT_FOR: Duration = Duration::from_secs(1);

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

#[derive(Clone, Debug, Serialize)]
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

/// What all checks said, and when.
#[derive(Clone)]
struct Outcome {
    results: Vec<CheckResult>,
    at: Instant,
}

/// One round of checks, for whoever asks meanwhile and shortly after.
type Round = Shared<BoxFuture<'static, Outcome>>;

struct Health {
    checks: Arc<Vec<Check>>,
    round: Mutex<Option<Round>>,
    /// The process will stop in a moment.
    announced: CancellationToken,
}

/// The two health endpoints; with `announced` the process is not ready before it stops.
pub fn router(checks: Vec<Check>, announced: CancellationToken) -> Router {
    Router::new()
        .route("/healthz/live", get(async || Json(serde_json::json!({"live": true}))))
        .route("/healthz/ready", get(ready))
        .with_state(Arc::new(Health { checks: Arc::new(checks), round: Mutex::default(), announced }))
}

async fn ready(State(health): State<Arc<Health>>) -> Response {
    let mut checks = health.round().await.results;
    if health.announced.is_cancelled() {
        checks.push(CheckResult { name: "process", ready: false, fault: Some("stopping".to_owned()) });
    }
    let ready = checks.iter().all(|check| check.ready);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, checks })).into_response()
}

impl Health {
    /// The round that is under way or has just ended; another one begins when there is none.
    fn round(&self) -> Round {
        let mut known = self.round.lock().unwrap_or_else(PoisonError::into_inner);
        let stands = |round: &&Round| round.peek().is_none_or(|outcome| outcome.at.elapsed() < KEPT_FOR);
        if let Some(round) = known.as_ref().filter(stands) {
            return round.clone();
        }
        let round = begin(Arc::clone(&self.checks));
        *known = Some(round.clone());
        round
    }
}

/// Goes on when whoever asked hangs up: others may be waiting for it.
fn begin(checks: Arc<Vec<Check>>) -> Round {
    let asked = tokio::spawn(async move { join_all(checks.iter().map(Check::run)).await });
    let outcome = async move {
        let results = asked.await.unwrap_or_else(|_| {
            vec![CheckResult { name: "process", ready: false, fault: Some("a check panicked".to_owned()) }]
        });
        Outcome { results, at: Instant::now() }
    };
    outcome.boxed().shared()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn counting() -> (Health, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let check = Check::new("counted", move || {
            counter.fetch_add(1, Ordering::Relaxed);
            async { Ok(()) }
        });
        let health =
            Health { checks: Arc::new(vec![check]), round: Mutex::default(), announced: CancellationToken::new() };
        (health, asked)
    }

    #[tokio::test]
    async fn many_who_ask_at_once_cost_one_round_of_checks() {
        let (health, asked) = counting();
        let outcomes = join_all((0..100).map(|_| health.round())).await;
        assert!(outcomes.iter().all(|outcome| outcome.results.iter().all(|result| result.ready)));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn an_old_outcome_is_not_told_again() {
        let (health, asked) = counting();
        let old = Outcome { results: Vec::new(), at: Instant::now().checked_sub(KEPT_FOR).unwrap() };
        *health.round.lock().unwrap() = Some(async { old }.boxed().shared());
        let known = health.round().await;
        assert!(known.results.is_empty(), "what is under way is shared");
        assert_eq!(health.round().await.results.len(), 1);
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_process_that_will_stop_says_so() {
        let (health, _) = counting();
        let health = Arc::new(health);
        assert_eq!(ready(State(Arc::clone(&health))).await.status(), StatusCode::OK);
        health.announced.cancel();
        assert_eq!(ready(State(health)).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
