//! HTTP/1.1 as it is on the wire: what a client library would not send, and whether a connection lives on.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// After this long a test has failed.
const DEADLINE: Duration = Duration::from_mins(1);

/// A connection to a service.
pub struct RawHttp(BufReader<TcpStream>);

/// An answer, whole.
#[derive(Debug)]
pub struct RawAnswer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl RawAnswer {
    /// All values of a header, between commas.
    pub fn header(&self, name: &str) -> Option<String> {
        let values: Vec<&str> =
            self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// The code of the problem it is.
    pub fn code(&self) -> Option<String> {
        let problem: Value = serde_json::from_slice(&self.body).ok()?;
        problem["code"].as_str().map(str::to_owned)
    }
}

impl RawHttp {
    /// `url` is `http://<address>`.
    pub async fn connect(url: &str) -> Self {
        let address = url.trim_start_matches("http://");
        Self(BufReader::new(within(TcpStream::connect(address)).await.expect("connects")))
    }

    /// Sends it as it is; one who has refused before all is sent may close.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _closed = within(self.0.write_all(bytes)).await;
    }

    /// Sends the same again and again until the other end takes no more of it.
    pub async fn send_for_ever(&mut self, bytes: &[u8]) -> Option<RawAnswer> {
        let (reader, mut writer) = tokio::io::split(&mut self.0);
        let mut reader = BufReader::new(reader);
        let sending = async {
            while writer.write_all(bytes).await.is_ok() {}
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = sending => None,
            answer = within(read_answer(&mut reader, false)) => answer,
        }
    }

    /// The next answer; `None` when the connection ends instead.
    pub async fn answer(&mut self) -> Option<RawAnswer> {
        within(read_answer(&mut self.0, false)).await
    }

    /// The same of a request whose answer has no body.
    pub async fn head(&mut self) -> Option<RawAnswer> {
        within(read_answer(&mut self.0, true)).await
    }

    /// Sends a request, and waits for its answer.
    pub async fn ask(&mut self, request: &[u8]) -> Option<RawAnswer> {
        self.send(request).await;
        self.answer().await
    }

    /// Whether another request is answered on this connection.
    pub async fn lives(&mut self) -> bool {
        let answer = self.ask(b"GET /healthz/live HTTP/1.1\r\nHost: a\r\n\r\n").await;
        answer.is_some_and(|answer| answer.status == 200)
    }
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, work).await.expect("nothing came until the deadline")
}

async fn read_answer(stream: &mut (impl tokio::io::AsyncBufRead + Unpin), is_head: bool) -> Option<RawAnswer> {
    let status = line(stream).await?.split(' ').nth(1)?.parse().expect("a status");
    let mut headers = Vec::new();
    loop {
        let line = line(stream).await?;
        let Some((name, value)) = line.split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let mut answer = RawAnswer { status, headers, body: Vec::new() };
    if !is_head && let Some(length) = answer.header("content-length") {
        answer.body = vec![0; length.parse().expect("a length")];
        stream.read_exact(&mut answer.body).await.ok()?;
    }
    Some(answer)
}

async fn line(stream: &mut (impl tokio::io::AsyncBufRead + Unpin)) -> Option<String> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await.ok()?;
    (read > 0).then(|| line.trim_end().to_owned())
}
