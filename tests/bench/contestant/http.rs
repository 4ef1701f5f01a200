//! What is measured over HTTP: the same request for ours and for whoever it is compared with.

use std::ops::Range;

use anyhow::{Context as _, bail};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use bytes::Bytes;
use http_body_util::Full;
use runtime::tenant::TENANT_HEADER;
use serde::Deserialize;

use super::command::{TENANT, identifier, interaction};
use super::{Ids, OVERLOADED, Verdict, accepted};

pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Requests to one address, and what becomes of them.
pub(crate) trait OverHttp: Send + Sync {
    /// `127.0.0.1:<port>`
    fn address(&self) -> &str;

    fn request(&self, owner: usize) -> anyhow::Result<Request<Full<Bytes>>>;

    /// What became of a request; an error ends the whole run.
    fn judge(&self, status: StatusCode, body: &[u8]) -> anyhow::Result<Verdict>;
}

/// One interaction for each of a number of guests, for whoever serves at this address.
pub(crate) struct Posts {
    address: String,
    headers: HeaderMap,
    requests: Vec<(Uri, Bytes)>,
    ids: Ids,
}

impl Posts {
    /// Records an interaction of about 300 bytes for each of these guests; `url` is `http://127.0.0.1:<port>`.
    pub(crate) fn record(url: &str, bearer: &str, guests: Range<usize>) -> anyhow::Result<Self> {
        let (address, mut headers) = (address_in(url)?, headers_of(url, bearer)?);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let request = |guest| {
            let path = format!("/api/v1/guests/{}/interactions", identifier(guest));
            Ok((path.parse()?, Bytes::from(interaction(guest))))
        };
        let requests = guests.map(request).collect::<anyhow::Result<_>>()?;
        Ok(Self { address: address.to_owned(), headers, requests, ids: Ids::new() })
    }
}

/// Where `http://127.0.0.1:<port>` is.
pub(super) fn address_in(url: &str) -> anyhow::Result<&str> {
    url.strip_prefix("http://").with_context(|| format!("{url} is no address of a service"))
}

/// What every request says: to whom, from whom, about whose guests.
pub(super) fn headers_of(url: &str, bearer: &str) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, address_in(url)?.parse()?);
    headers.insert(header::AUTHORIZATION, bearer.parse()?);
    headers.insert(TENANT_HEADER.parse::<HeaderName>()?, HeaderValue::from_static(TENANT));
    Ok(headers)
}

impl OverHttp for Posts {
    fn address(&self) -> &str {
        &self.address
    }

    fn request(&self, guest: usize) -> anyhow::Result<Request<Full<Bytes>>> {
        let (uri, body) = &self.requests[guest];
        let mut request = Request::new(Full::new(body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().insert(IDEMPOTENCY_KEY, HeaderValue::try_from(self.ids.fresh())?);
        Ok(request)
    }

    fn judge(&self, status: StatusCode, body: &[u8]) -> anyhow::Result<Verdict> {
        match status {
            StatusCode::CREATED | StatusCode::OK => accepted(body),
            StatusCode::SERVICE_UNAVAILABLE if is_overloaded(body) => Ok(Verdict::Overloaded),
            _ => bail!("refused with {status}: {}", String::from_utf8_lossy(body)),
        }
    }
}

fn is_overloaded(problem: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Problem<'a> {
        code: &'a str,
    }
    serde_json::from_slice(problem).is_ok_and(|Problem { code }| code == OVERLOADED)
}
