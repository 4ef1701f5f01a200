//! Reads over HTTP: one path for each of a number of guests.

use anyhow::{bail, ensure};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri};
use bytes::Bytes;
use http_body_util::Full;

use super::Verdict;
use super::http::{OverHttp, address_in, headers_of};

pub(crate) struct Gets {
    address: String,
    headers: HeaderMap,
    /// Of each: the path, and what its header says that is its own.
    requests: Vec<(Uri, Option<(HeaderName, HeaderValue)>)>,
    expected: StatusCode,
    /// What every answer has in it.
    holds: &'static str,
}

impl Gets {
    /// `url` is `http://127.0.0.1:<port>`.
    pub(crate) fn new(url: &str, bearer: &str, paths: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let requests = paths.map(|path| Ok((path.parse()?, None))).collect::<anyhow::Result<_>>()?;
        let (address, headers) = (address_in(url)?.to_owned(), headers_of(url, bearer)?);
        Ok(Self { address, headers, requests, expected: StatusCode::OK, holds: "" })
    }

    /// How many guests it asks for.
    pub(crate) fn owners(&self) -> usize {
        self.requests.len()
    }

    /// Every answer has this in it.
    pub(crate) fn holding(self, holds: &'static str) -> Self {
        Self { holds, ..self }
    }

    /// Each request has this header.
    pub(crate) fn with(mut self, name: HeaderName, value: &str) -> anyhow::Result<Self> {
        self.headers.insert(name, value.parse()?);
        Ok(self)
    }

    /// Each request has a header of its own, and is to be answered so.
    pub(crate) fn each_with(
        mut self,
        name: &HeaderName,
        values: impl Iterator<Item = String>,
        expected: StatusCode,
    ) -> anyhow::Result<Self> {
        for ((_, header), value) in self.requests.iter_mut().zip(values) {
            *header = Some((name.clone(), value.parse()?));
        }
        Ok(Self { expected, ..self })
    }
}

impl OverHttp for Gets {
    fn address(&self) -> &str {
        &self.address
    }

    fn request(&self, owner: usize) -> anyhow::Result<Request<Full<Bytes>>> {
        let (uri, own) = &self.requests[owner];
        let mut request = Request::new(Full::default());
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = self.headers.clone();
        if let Some((name, value)) = own {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        Ok(request)
    }

    fn judge(&self, status: StatusCode, body: &[u8]) -> anyhow::Result<Verdict> {
        let text = || String::from_utf8_lossy(body);
        if status != self.expected {
            bail!("a read was answered with {status}: {}", text());
        }
        let holds = self.holds.is_empty() || body.windows(self.holds.len()).any(|part| part == self.holds.as_bytes());
        ensure!(holds, "an answer without {}: {}", self.holds, text());
        Ok(Verdict::Accepted(0))
    }
}
