//! A small HTTP/1.1 client over axum's own stack: probes, and requests passed on to another service.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, Response, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Body as _;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

use crate::body;

const MAX_RESPONSE_BYTES: usize = 16 * 1024 * 1024;

#[derive(Clone)]
pub struct HttpClient {
    inner: Client<HttpsConnector<HttpConnector>, Body>,
    timeout: Duration,
}

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("not a URL that can be asked: {0}")]
    Request(#[from] axum::http::Error),
    #[error("nothing answers: {0}")]
    Connect(#[from] hyper_util::client::legacy::Error),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("the answer broke off: {0}")]
    Body(String),
    #[error("no encrypted connection can be made: {0}")]
    Tls(String),
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

fn tls() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, rustls::Error> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions()
}

impl HttpClient {
    /// A client whose every request ends within `timeout`. It trusts no authority, so it speaks plain HTTP: to our own services.
    ///
    /// # Panics
    /// Never: ring has every suite of the default versions.
    pub fn new(timeout: Duration) -> Self {
        let tls = tls().map(|tls| tls.with_root_certificates(RootCertStore::empty()).with_no_client_auth());
        Self::over(tls.expect("ring has every suite of the default versions"), timeout)
    }

    /// The same for anybody's `https://`, with the authorities that this system trusts.
    pub fn secure(timeout: Duration) -> Result<Self, HttpError> {
        let refused = |error: &dyn std::fmt::Display| HttpError::Tls(error.to_string());
        let roots = tls().map_err(|error| refused(&error))?.with_native_roots().map_err(|error| refused(&error))?;
        Ok(Self::over(roots.with_no_client_auth(), timeout))
    }

    fn over(tls: ClientConfig, timeout: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(timeout));
        connector.enforce_http(false);
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(connector);
        Self { inner: Client::builder(TokioExecutor::new()).build(connector), timeout }
    }

    /// Sends a request as it is and answers as soon as the head of the response is there; with a small body once that is there, too.
    pub async fn forward(&self, request: Request<Body>) -> Result<Response<Body>, HttpError> {
        let exchange = async {
            let (head, body) = self.inner.request(request).await?.into_parts();
            if body.is_end_stream() || !body::is_small(&body) {
                return Ok(Response::from_parts(head, Body::new(body)));
            }
            let whole = body.collect().await.map_err(|error| HttpError::Body(error.to_string()))?;
            Ok(Response::from_parts(head, whole.to_bytes().into()))
        };
        tokio::time::timeout(self.timeout, exchange).await.map_err(|_| HttpError::Timeout(self.timeout))?
    }

    pub async fn get(&self, url: &str, headers: &[(&str, &str)]) -> Result<Answer, HttpError> {
        self.send(Method::GET, url, headers, Bytes::new()).await
    }

    pub async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, HttpError> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, body) = self.forward(request.body(Body::from(body))?).await?.into_parts();
        let collected = tokio::time::timeout(self.timeout, Limited::new(body, MAX_RESPONSE_BYTES).collect());
        let body = collected.await.map_err(|_| HttpError::Timeout(self.timeout))?;
        let body = body.map_err(|error| HttpError::Body(error.to_string()))?.to_bytes();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}
