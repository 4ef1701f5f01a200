//! Serves an axum router until it is told to stop.

use std::net::SocketAddr;

use anyhow::Context as _;
use axum::Router;
use axum::http::StatusCode;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::problem::Problem;

/// Binds `address`; port 0 takes a free one.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let advice = || format!("cannot listen on {address}: set KEEPSAKE_HTTP_ADDR to a free address");
    TcpListener::bind(address).await.with_context(advice)
}

/// Answers requests until `stop`, then finishes those under way.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) -> anyhow::Result<()> {
    let router = router.fallback(route_not_found).method_not_allowed_fallback(method_not_allowed);
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await.context("serving HTTP failed")
}

async fn route_not_found() -> Problem {
    Problem::not_found("route_not_found", "there is no such route")
}

async fn method_not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this route does not take that method")
}
