//! Serves an axum router until it is told to stop, with limits on what a connection may cost.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::problem::Problem;
use crate::serve::head_timer::HeadTimer;
use crate::trace;

mod head_timer;
#[cfg(test)]
mod tests;

/// hyper answers a longer head, or one with more headers, with 431 and closes the connection.
const MAX_HEAD_BYTES: usize = 32 * 1024;
const MAX_HEADERS: usize = 100;
const MAX_PATH_BYTES: usize = 8 * 1024;

/// How long to wait when the system gives no connection: it has run out of something, and others have to give it back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[derive(Clone, Copy)]
struct Limits {
    /// Open at once; more wait in the listener's queue.
    connections: usize,
    /// For a request head, from its first byte; on a new connection from the start.
    head: Duration,
    /// Between requests. Longer than common proxies (60 s) and our own client (90 s) keep a connection, so that it is they
    /// who close it, and nobody sends a request into a connection that is just being closed.
    idle: Duration,
    /// For the requests under way when we stop: shorter than the process has, so that it ends in order.
    drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4_096,
            head: Duration::from_secs(5),
            idle: Duration::from_secs(100),
            drain: Duration::from_secs(7),
        }
    }
}

/// Binds `address`; port 0 takes a free one.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let advice = || format!("cannot listen on {address}: set KEEPSAKE_HTTP_ADDR to a free address");
    TcpListener::bind(address).await.with_context(advice)
}

/// Answers requests until `stop`, then finishes those under way.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) -> anyhow::Result<()> {
    serve_within(Limits::default(), listener, router, stop).await;
    Ok(())
}

async fn serve_within(limits: Limits, listener: TcpListener, router: Router, stop: CancellationToken) {
    let router = router.fallback(route_not_found).method_not_allowed_fallback(method_not_allowed);
    // The routes are made ready once here instead of with every request.
    let router: Router = router.with_state(());
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            // Taken out as they end, so that the set counts what is open.
            Some(_) = open.join_next() => {}
            stream = accept(&listener), if open.len() < limits.connections => {
                open.spawn(connection(limits, stream, router.clone(), stop.clone()));
            }
        }
    }
    drop(listener);
    drain(open, limits.drain).await;
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot accept connections");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers the requests of one connection; on `stop` the one under way is the last.
async fn connection(limits: Limits, stream: TcpStream, router: Router, stop: CancellationToken) {
    // An answer is written at once and whole: waiting for more to send with it only delays it.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(error = &error as &dyn std::error::Error, "TCP_NODELAY is refused");
    }
    let timer = HeadTimer::new(limits.head);
    let io = TokioIo::new(timer.listen(stream));
    let service = service_fn(|request| trace::http::answered(request, |request| answer(router.clone(), request)));
    let mut answers = pin!(http1(timer, limits.idle).serve_connection(io, service));
    let ended = tokio::select! {
        ended = answers.as_mut() => ended,
        () = stop.cancelled() => {
            answers.as_mut().graceful_shutdown();
            answers.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = &error as &dyn std::error::Error, "a connection ended early");
    }
}

fn http1(timer: HeadTimer, idle: Duration) -> http1::Builder {
    let mut http1 = http1::Builder::new();
    http1.timer(timer).header_read_timeout(idle).max_headers(MAX_HEADERS).max_header_size(MAX_HEAD_BYTES);
    // By default 400 KiB of what comes next are taken in, although nobody may ask for it.
    http1.max_buf_size(MAX_HEAD_BYTES);
    http1
}

async fn answer(router: Router, request: Request<Incoming>) -> Result<Response, Infallible> {
    if request.uri().path().len() > MAX_PATH_BYTES {
        return Ok(uri_too_long().into_response());
    }
    TowerToHyperService::new(router).call(request).await
}

async fn drain(mut open: JoinSet<()>, limit: Duration) {
    let all_ended = async { while open.join_next().await.is_some() {} };
    if tokio::time::timeout(limit, all_ended).await.is_err() {
        tracing::warn!(connections = open.len(), "connections are cut off: still open at the drain limit");
        open.shutdown().await;
    }
}

fn uri_too_long() -> Problem {
    let detail = format!("a path takes at most {MAX_PATH_BYTES} bytes");
    Problem::new(StatusCode::URI_TOO_LONG, "uri_too_long", detail)
}

async fn route_not_found() -> Problem {
    Problem::not_found("route_not_found", "there is no such route")
}

async fn method_not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this route does not take that method")
}
