//! One origin: what is not a read goes to the command service as it is, and its answer comes back as it is.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::uri::{Authority, PathAndQuery, Scheme};
use axum::http::{HeaderMap, HeaderName, Uri, header};
use axum::response::Response;
use runtime::body;
use runtime::http_client::{HttpClient, HttpError};
use runtime::trace;
use serde_json::Value;

use crate::Service;
use crate::error::Fault;

/// Longer than a command may take, so that the command service's own answer wins.
const TIMEOUT: Duration = Duration::from_secs(30);
/// A document that is made once and lies ready.
const CONTRACT_TIMEOUT: Duration = Duration::from_secs(3);

/// Headers that speak of one connection, not of the message; and `Host`, which the client sets for the next one.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    header::EXPECT,
    header::HOST,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];
const UNNAMED_HOP_BY_HOP: [&str; 2] = ["keep-alive", "proxy-connection"];

/// What a process tells its operators is nobody's business at the one origin.
const OPERATORS: [&str; 2] = ["/healthz", "/metrics"];

/// Where the command service listens: `http://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandUrl(Authority);

/// Not `http://host:port`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be http://host:port")]
pub struct InvalidCommandUrl;

impl FromStr for CommandUrl {
    type Err = InvalidCommandUrl;

    fn from_str(text: &str) -> Result<Self, InvalidCommandUrl> {
        let uri: Uri = text.parse().map_err(|_| InvalidCommandUrl)?;
        let plain = uri.scheme() == Some(&Scheme::HTTP) && uri.path() == "/" && uri.query().is_none();
        uri.authority().filter(|_| plain).cloned().map(Self).ok_or(InvalidCommandUrl)
    }
}

impl fmt::Display for CommandUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.0)
    }
}

/// The command service, as this one reaches it.
#[derive(Clone)]
pub(crate) struct CommandService {
    client: HttpClient,
    url: CommandUrl,
}

impl CommandService {
    pub(crate) fn new(url: CommandUrl) -> Self {
        Self { client: HttpClient::new(TIMEOUT), url }
    }

    /// Whether the command service runs; what it needs is for its own readiness to say.
    pub(crate) async fn ping(&self) -> Result<(), String> {
        let answer =
            self.client.get(&format!("{}/healthz/live", self.url), &[]).await.map_err(|error| error.to_string())?;
        if answer.status.is_success() { Ok(()) } else { Err(format!("answers {}", answer.status)) }
    }

    /// What it says of itself.
    pub(crate) async fn contract(&self) -> Result<Value, String> {
        let url = format!("{}/openapi.json", self.url);
        let answer = tokio::time::timeout(CONTRACT_TIMEOUT, self.client.get(&url, &[])).await;
        let answer = answer.map_err(|_| format!("no answer within {CONTRACT_TIMEOUT:?}"))?;
        let answer = answer.map_err(|error| error.to_string())?;
        if !answer.status.is_success() {
            return Err(format!("answers {}", answer.status));
        }
        serde_json::from_slice(&answer.body).map_err(|_| "answers what is no JSON".to_owned())
    }

    async fn forward(&self, mut request: Request) -> Result<Response, Fault> {
        let path = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        *request.uri_mut() =
            Uri::builder().scheme(Scheme::HTTP).authority(self.url.0.clone()).path_and_query(path).build()?;
        keep_end_to_end(request.headers_mut());
        trace::pass_on(request.headers_mut());
        let (head, body) = request.into_parts();
        let (body, broken) = body::passed_on(body).await.map_err(Fault::Body)?;
        let refused = |error| broken.problem().map_or_else(|| fault(error), Fault::Body);
        let mut response = self.client.forward(Request::from_parts(head, body)).await.map_err(refused)?;
        keep_end_to_end(response.headers_mut());
        Ok(response)
    }
}

/// Handles every request that is not a read, and those that no route here takes: which there are, the command service knows.
pub(crate) async fn pass_through(State(service): State<Service>, request: Request) -> Result<Response, Fault> {
    trace::matched(request.method(), request.extensions());
    if OPERATORS.iter().any(|path| request.uri().path().starts_with(path)) {
        return Err(Fault::RouteNotFound);
    }
    service.commands.forward(request).await
}

/// A request that never left has done nothing; one that left may have.
fn fault(error: HttpError) -> Fault {
    match &error {
        HttpError::Request(_) | HttpError::Tls(_) => Fault::CommandServiceAway(error),
        HttpError::Connect(cause) if cause.is_connect() => Fault::CommandServiceAway(error),
        HttpError::Connect(_) | HttpError::Timeout(_) | HttpError::Body(_) => Fault::OutcomeUnknown(error),
    }
}

fn keep_end_to_end(headers: &mut HeaderMap) {
    let lists = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named: Vec<String> =
        lists.flat_map(|list| list.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect();
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    for name in UNNAMED_HOP_BY_HOP.into_iter().chain(named.iter().map(String::as_str)) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_one_connection_go_and_the_others_stay() {
        let pairs = [
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("keep-alive", "5"),
            ("x-tenant-id", "demo"),
            ("content-length", "2"),
        ];
        let mut headers: HeaderMap = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().expect("a header value")))
            .collect();
        keep_end_to_end(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "x-tenant-id"]);
    }

    #[test]
    fn a_command_url_is_plain_http_to_a_host() {
        assert_eq!(
            "http://127.0.0.1:8001/".parse::<CommandUrl>().map(|url| url.to_string()),
            Ok("http://127.0.0.1:8001".to_owned())
        );
        for text in ["", "localhost:8001", "https://a:1", "http://a:1/base", "http://a:1/?x"] {
            assert_eq!(text.parse::<CommandUrl>(), Err(InvalidCommandUrl), "{text}");
        }
    }
}
