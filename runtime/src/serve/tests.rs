//! The limits as a caller meets them, on real connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Limits, serve_within};
use crate::process::Ending;

mod exchange;
mod stop;

/// After this long a test has failed; nothing waits for it otherwise.
const DEADLINE: Duration = Duration::from_secs(20);
const LARGE_BYTES: usize = 64 * 1024 * 1024;
const SOON: Duration = Duration::from_millis(200);

/// A server with three routes: `/` counts, `/held` answers when the test lets it, `/large` answers more than a socket holds.
struct Server {
    address: SocketAddr,
    ending: Ending,
    serving: JoinHandle<()>,
    /// One permit for each request that has come to `/held`.
    held: Arc<Semaphore>,
    /// One permit for each of them that may be answered.
    released: Arc<Semaphore>,
}

impl Server {
    async fn start(limits: Limits) -> Self {
        let (held, released) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let router = router(held.clone(), released.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let ending = Ending::with(CancellationToken::new());
        let serving = tokio::spawn(serve_within(limits, listener, router, ending.clone()));
        Self { address, ending, serving, held, released }
    }

    async fn connect(&self) -> Caller {
        Caller(TcpStream::connect(self.address).await.unwrap())
    }

    /// Everything that comes back to `request` on a connection of its own.
    async fn ask(&self, request: &str) -> String {
        let mut caller = self.connect().await;
        caller.send(request).await;
        caller.rest().await
    }

    async fn is_holding(&self) {
        within(self.held.acquire()).await.unwrap().forget();
    }
}

fn router(held: Arc<Semaphore>, released: Arc<Semaphore>) -> Router {
    let counter = Arc::new(AtomicUsize::new(0));
    let count = async move || format!("count {}", counter.fetch_add(1, Ordering::Relaxed) + 1);
    let wait = async move || {
        held.add_permits(1);
        released.acquire().await.unwrap().forget();
        "let go"
    };
    let router = Router::new().route("/", get(count).post(async |body: String| body));
    router.route("/held", get(wait)).route("/large", get(async || vec![b'x'; LARGE_BYTES]))
}

struct Caller(TcpStream);

impl Caller {
    async fn send(&mut self, request: &str) {
        // A server that has refused may close before all is sent: what came back is what counts.
        let _ = self.0.write_all(request.as_bytes()).await;
    }

    /// What comes until `end`, or until the server closes.
    async fn until(&mut self, end: &str) -> String {
        let mut answer = Vec::new();
        while let Ok(byte) = within(self.0.read_u8()).await {
            answer.push(byte);
            if !end.is_empty() && answer.ends_with(end.as_bytes()) {
                break;
            }
        }
        String::from_utf8(answer).unwrap()
    }

    async fn rest(&mut self) -> String {
        self.until("").await
    }

    /// Sends a request that leaves the connection open, and reads its answer.
    async fn count(&mut self, expected: &str) {
        self.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let answer = self.until(expected).await;
        assert!(answer.ends_with(expected), "{answer}");
    }
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, work).await.expect("nothing happened until the deadline")
}

fn request(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n")
}

#[tokio::test]
async fn a_head_has_at_most_100_headers() {
    let server = Server::start(Limits::default()).await;
    let fits = server.ask(&request("/", &"a: b\r\n".repeat(98))).await;
    assert!(fits.starts_with("HTTP/1.1 200"), "{fits}");
    let refused = server.ask(&request("/", &"a: b\r\n".repeat(99))).await;
    assert!(refused.starts_with("HTTP/1.1 431"), "{refused}");
}

#[tokio::test]
async fn a_head_has_at_most_32_kib() {
    let server = Server::start(Limits::default()).await;
    let fits = server.ask(&request("/", &format!("a: {}\r\n", "b".repeat(30_000)))).await;
    assert!(fits.starts_with("HTTP/1.1 200"), "{fits}");
    let refused = server.ask(&request("/", &format!("a: {}\r\n", "b".repeat(40_000)))).await;
    assert!(refused.starts_with("HTTP/1.1 431"), "{refused}");
}

#[tokio::test]
async fn a_path_has_at_most_8_kib() {
    let server = Server::start(Limits::default()).await;
    let fits = server.ask(&request(&format!("/{}", "a".repeat(8_191)), "")).await;
    assert!(fits.starts_with("HTTP/1.1 404") && fits.contains("route_not_found"), "{fits}");
    let refused = server.ask(&request(&format!("/{}", "a".repeat(9_000)), "")).await;
    assert!(refused.starts_with("HTTP/1.1 414") && refused.contains("uri_too_long"), "{refused}");
}

#[tokio::test]
async fn a_slow_head_is_cut_off() {
    let server = Server::start(Limits { head: SOON, ..Limits::default() }).await;
    assert_eq!(server.ask("GET / HTTP/1.1\r\nHost:").await, "");
}

#[tokio::test]
async fn a_connection_that_asks_nothing_is_closed() {
    let server = Server::start(Limits { head: SOON, ..Limits::default() }).await;
    assert_eq!(server.ask("").await, "");
}

#[tokio::test]
async fn a_slow_head_is_cut_off_on_a_used_connection_too() {
    // Long enough for the first request to come in time on a busy machine.
    let server = Server::start(Limits { head: SOON * 5, ..Limits::default() }).await;
    let mut caller = server.connect().await;
    caller.count("count 1").await;
    caller.send("GET /").await;
    assert_eq!(caller.rest().await, "");
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_the_end() {
    let server = Server::start(Limits { idle: SOON, ..Limits::default() }).await;
    let mut caller = server.connect().await;
    caller.count("count 1").await;
    assert_eq!(caller.rest().await, "");
}

#[tokio::test]
async fn a_connection_too_many_waits_for_another_to_end() {
    let server = Server::start(Limits { connections: 1, ..Limits::default() }).await;
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    second.send(&request("/", "")).await;
    first.count("count 1").await;
    first.count("count 2").await;
    drop(first);
    let answer = second.rest().await;
    assert!(answer.ends_with("count 3"), "{answer}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn who_is_gone_without_a_word_is_given_up_after_as_long_as_who_takes_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (_client, (stream, _)) = (client.unwrap(), accepted.unwrap());
    super::connection::settle(&stream, Limits::default().unread).unwrap();
    let socket = socket2::SockRef::from(&stream);
    assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Limits::default().unread));
    assert!(socket.tcp_nodelay().unwrap());
}
