//! Small questions to a server that may not answer yet.

use std::net::Ipv4Addr;
use std::time::Duration;

use runtime::http_client::HttpClient;
use tokio::net::TcpStream;

const TIMEOUT: Duration = Duration::from_secs(2);

/// Whether a GET of the URL answers 2xx.
pub(crate) async fn is_ok(url: &str) -> bool {
    HttpClient::new(TIMEOUT).get(url, &[]).await.is_ok_and(|answer| answer.status.is_success())
}

/// The body of a 2xx answer.
pub(crate) async fn body(url: &str) -> Option<String> {
    let answer = HttpClient::new(TIMEOUT).get(url, &[]).await.ok()?;
    String::from_utf8(answer.body.to_vec()).ok()
}

/// Whether something accepts connections on the port.
pub(crate) async fn accepts(port: u16) -> bool {
    let connect = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
    tokio::time::timeout(TIMEOUT, connect).await.is_ok_and(|outcome| outcome.is_ok())
}
