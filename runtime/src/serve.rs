//! Serves an axum router until it is told to stop, with limits on what a connection may cost.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::process::Ending;
use crate::serve::connection::Connection;
pub use crate::serve::refused::method_not_allowed;
use crate::serve::refused::route_not_found;

mod connection;
mod head_timer;
mod linger;
mod raw_head;
mod refused;
mod slow_reader;
#[cfg(test)]
mod tests;

/// How long to wait when the system gives no connection: it has run out of something, and others have to give it back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who is at the other end of a request's connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

#[derive(Clone, Copy)]
struct Limits {
    /// Open at once; more wait in the listener's queue.
    connections: usize,
    /// For a request head, from its first byte; on a new connection from the start.
    head: Duration,
    /// Between requests. Longer than common proxies (60 s) and our own client (90 s) keep a connection, so that it is they
    /// who close it, and nobody sends a request into a connection that is just being closed.
    idle: Duration,
    /// For an answer of which its client takes nothing.
    unread: Duration,
    /// For a client to read its last answer, whatever it still sends meanwhile.
    linger: Duration,
    /// For the requests under way when we stop, from its announcement on: shorter than the process has, so that it ends in order.
    drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4_096,
            head: Duration::from_secs(5),
            idle: Duration::from_secs(100),
            unread: Duration::from_secs(30),
            linger: Duration::from_secs(1),
            drain: Duration::from_secs(7),
        }
    }
}

/// Binds `address`; port 0 takes a free one.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let advice = || format!("cannot listen on {address}: set KEEPSAKE_HTTP_ADDR to a free address");
    TcpListener::bind(address).await.with_context(advice)
}

/// Answers requests until the process stops, then finishes those under way.
pub async fn serve(listener: TcpListener, router: Router, ending: Ending) -> anyhow::Result<()> {
    serve_within(Limits::default(), listener, router, ending).await;
    Ok(())
}

async fn serve_within(limits: Limits, listener: TcpListener, router: Router, ending: Ending) {
    let router = router.fallback(route_not_found).method_not_allowed_fallback(method_not_allowed);
    // The routes are made ready once here instead of with every request.
    let router: Router = router.with_state(());
    let mut open = JoinSet::new();
    let mut announced = None;
    loop {
        tokio::select! {
            () = ending.stop.cancelled() => break,
            () = ending.announced.cancelled(), if announced.is_none() => announced = Some(Instant::now()),
            // Taken out as they end, so that the set counts what is open.
            Some(_) = open.join_next() => {}
            (stream, peer) = accept(&listener), if open.len() < limits.connections => {
                let connection = Connection { limits, peer, router: router.clone(), ending: ending.clone() };
                open.spawn(connection.answer_all(stream));
            }
        }
    }
    drop(listener);
    drain(open, announced.unwrap_or_else(Instant::now) + limits.drain).await;
}

async fn accept(listener: &TcpListener) -> (TcpStream, Peer) {
    loop {
        match listener.accept().await {
            Ok((stream, address)) => return (stream, Peer(address.ip().to_canonical())),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot accept connections");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn drain(mut open: JoinSet<()>, until: Instant) {
    let all_ended = async { while open.join_next().await.is_some() {} };
    if tokio::time::timeout_at(until, all_ended).await.is_err() {
        tracing::warn!(connections = open.len(), "connections are cut off: still open at the drain limit");
        open.shutdown().await;
    }
}
