//! A reader of Server-Sent Events, one event at a time.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, Request, StatusCode};
use futures_util::StreamExt as _;
use runtime::http_client::HttpClient;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

const PATIENCE: Duration = Duration::from_secs(30);

/// A stream that was opened.
pub struct Events {
    pub headers: HeaderMap,
    body: BodyDataStream,
    text: String,
}

/// One event; comments are passed over.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub id: String,
    pub name: String,
    pub data: Value,
}

impl Events {
    /// Asks for a stream; what is no stream is answered with its status and its JSON.
    pub async fn open(url: &str, headers: &[(&str, &str)]) -> Result<Self, (StatusCode, Value)> {
        let mut request = Request::get(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).expect("a request");
        let answer = HttpClient::new(PATIENCE).forward(request).await.expect("an answer");
        let (head, body) = answer.into_parts();
        if head.status == StatusCode::OK {
            assert_eq!(head.headers["content-type"], "text/event-stream");
            return Ok(Self { headers: head.headers, body: body.into_data_stream(), text: String::new() });
        }
        let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
        Err((head.status, serde_json::from_slice(&body).expect("JSON")))
    }

    /// The next event; `None` when the stream has ended.
    pub async fn next(&mut self) -> Option<Event> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event_in(event), rest.to_owned());
                self.text = rest;
                if event.is_some() {
                    return event;
                }
            }
            let chunk = timeout_at(deadline, self.body.next()).await.expect("an event in time");
            let Some(Ok(chunk)) = chunk else { return None };
            self.text.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
        }
    }
}

fn event_in(text: &str) -> Option<Event> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let data = serde_json::from_str(field("data")?).expect("JSON");
    Some(Event { id: field("id").unwrap_or_default().to_owned(), name: field("event")?.to_owned(), data })
}
