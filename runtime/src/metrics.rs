//! `GET /metrics`: the figures of one process, in the text format Prometheus reads.

mod process;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

use process::Process;

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Stands before the name of everything that is ours.
const PREFIX: &str = "keepsake";

/// What one process tells about itself: made at its start, passed to whoever has figures, and served in the end.
pub struct Exposition(Registry);

impl Exposition {
    /// With what is expected of any process: CPU time, memory, start.
    pub fn of_this_process() -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Process::this()));
        Self(registry)
    }

    /// Takes a service's own figures; `lag` is told as `keepsake_lag`.
    pub fn registry(&mut self) -> &mut Registry {
        self.0.sub_registry_with_prefix(PREFIX)
    }

    /// The endpoint, to be merged with those of health.
    pub fn router(self) -> Router {
        Router::new().route("/metrics", get(scrape)).with_state(Arc::new(self.0))
    }
}

async fn scrape(State(registry): State<Arc<Registry>>) -> Result<impl IntoResponse, StatusCode> {
    let mut text = String::new();
    text::encode(&mut text, &registry).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text))
}
