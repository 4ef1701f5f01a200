//! One connection: its requests are answered one after the other, each within its limits.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, Request, header};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
#[cfg(target_os = "linux")]
use socket2::SockRef;
use tokio::net::TcpStream;

use super::head_timer::HeadTimer;
use super::linger::Linger;
use super::raw_head::RawHead;
use super::slow_reader::SlowReader;
use super::{Limits, Peer, refused};
use crate::process::Ending;
use crate::trace;

/// hyper answers a longer head, or one with more headers, with 431 and closes the connection.
const MAX_HEAD_BYTES: usize = 32 * 1024;
const MAX_HEADERS: usize = 100;

pub(super) struct Connection {
    pub(super) limits: Limits,
    pub(super) peer: Peer,
    pub(super) router: Router,
    pub(super) ending: Ending,
}

impl Connection {
    /// Answers requests until the client is done; when the process stops, the one under way is the last.
    pub(super) async fn answer_all(self, stream: TcpStream) {
        if let Err(error) = settle(&stream, self.limits.unread) {
            tracing::debug!(error = &error as &dyn std::error::Error, "an option of a connection is refused");
        }
        let stream = Linger::new(SlowReader::new(stream, self.limits.unread), self.limits.linger);
        let timer = HeadTimer::new(self.limits.head);
        let (io, raw_head) = (TokioIo::new(timer.listen(stream)), timer.raw_head());
        let service = service_fn(|request| trace::http::answered(request, |request| self.answer(&raw_head, request)));
        let mut answers = pin!(http1(timer, self.limits.idle).serve_connection(io, service));
        let ended = tokio::select! {
            ended = answers.as_mut() => ended,
            () = self.ending.stop.cancelled() => {
                answers.as_mut().graceful_shutdown();
                answers.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(error = &error as &dyn std::error::Error, "a connection ended early");
        }
    }

    fn answer(
        &self,
        raw_head: &Arc<RawHead>,
        mut request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response, Infallible>> + use<> {
        let refused = refused::refused(&request, raw_head);
        request.extensions_mut().insert(self.peer);
        let (router, ending) = (self.router.clone(), self.ending.clone());
        async move {
            if let Some(refused) = refused {
                return Ok(last(refused.into_response()));
            }
            let response = TowerToHyperService::new(router).call(request).await?;
            // Whoever keeps the connection is told to come back on another, perhaps to another process.
            Ok(if ending.announced.is_cancelled() { last(response) } else { response })
        }
    }
}

/// An answer is written at once and whole: waiting for more to send with it only delays it. A client that is gone without a word takes
/// nothing: the kernel alone would try for a quarter of an hour, and a live stream is written to too seldom to fill its buffers.
pub(super) fn settle(stream: &TcpStream, unread: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    SockRef::from(stream).set_tcp_user_timeout(Some(unread))?;
    Ok(())
}

/// After this answer the connection is closed.
fn last(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn http1(timer: HeadTimer, idle: Duration) -> http1::Builder {
    let mut http1 = http1::Builder::new();
    http1.timer(timer).header_read_timeout(idle).max_headers(MAX_HEADERS).max_header_size(MAX_HEAD_BYTES);
    // By default 400 KiB of what comes next are taken in, although nobody may ask for it.
    http1.max_buf_size(MAX_HEAD_BYTES);
    http1
}
