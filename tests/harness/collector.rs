//! A collector of traces: takes what the services send it by OTLP over HTTP, and tells what it was sent.

use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::routing::post;
use data_encoding::HEXLOWER;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use prost::Message as _;
use runtime::process::Ending;
use runtime::serve;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::eventually;

type Spans = Arc<Mutex<Vec<Recorded>>>;

/// Listens until it is stopped.
pub struct Collector {
    url: String,
    spans: Spans,
    stop: CancellationToken,
    serving: JoinHandle<anyhow::Result<()>>,
}

/// A span as it was sent.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub service: String,
    pub name: String,
    pub trace_id: String,
    pub span_id: String,
    pub parent_id: String,
    /// Trace and span of each.
    pub links: Vec<(String, String)>,
    pub attributes: Vec<(String, String)>,
}

impl Collector {
    pub async fn start() -> Self {
        let listener = serve::bind(([127, 0, 0, 1], 0).into()).await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (spans, stop) = (Spans::default(), CancellationToken::new());
        let router = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&spans));
        let serving = tokio::spawn(serve::serve(listener, router, Ending::with(stop.clone())));
        Self { url, spans, stop, serving }
    }

    /// What `OTEL_EXPORTER_OTLP_ENDPOINT` is set to.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Everything that was sent until now.
    pub fn spans(&self) -> Vec<Recorded> {
        lock(&self.spans).clone()
    }

    /// Waits for a span like this.
    pub async fn span(&self, what: &str, is: impl Fn(&Recorded) -> bool) -> Recorded {
        eventually(what, async || self.spans().into_iter().find(&is)).await
    }

    /// Ends, and nobody listens at its address any more.
    pub async fn stop(self) {
        self.stop.cancel();
        self.serving.await.expect("ends").expect("ends well");
    }
}

async fn take(
    State(spans): State<Spans>,
    body: Bytes,
) -> Result<([(header::HeaderName, &'static str); 1], Vec<u8>), StatusCode> {
    let request = ExportTraceServiceRequest::decode(body).map_err(|_| StatusCode::BAD_REQUEST)?;
    let recorded = request.resource_spans.iter().flat_map(of_resource);
    lock(&spans).extend(recorded);
    let answer = ExportTraceServiceResponse::default().encode_to_vec();
    Ok(([(header::CONTENT_TYPE, "application/x-protobuf")], answer))
}

fn of_resource(resource: &ResourceSpans) -> impl Iterator<Item = Recorded> {
    let told = resource.resource.iter().flat_map(|resource| attributes(&resource.attributes));
    let service = told.into_iter().find(|(key, _)| key == "service.name").map(|(_, name)| name).unwrap_or_default();
    let spans = resource.scope_spans.iter().flat_map(|scope| &scope.spans);
    spans.map(move |span| Recorded::new(&service, span))
}

impl Recorded {
    fn new(service: &str, span: &Span) -> Self {
        let link = |link: &opentelemetry_proto::tonic::trace::v1::span::Link| {
            (HEXLOWER.encode(&link.trace_id), HEXLOWER.encode(&link.span_id))
        };
        Self {
            service: service.to_owned(),
            name: span.name.clone(),
            trace_id: HEXLOWER.encode(&span.trace_id),
            span_id: HEXLOWER.encode(&span.span_id),
            parent_id: HEXLOWER.encode(&span.parent_span_id),
            links: span.links.iter().map(link).collect(),
            attributes: attributes(&span.attributes),
        }
    }

    /// Whether this other one led to it: alone, or with others.
    pub fn follows(&self, cause: &Self) -> bool {
        let is_child = (&self.trace_id, &self.parent_id) == (&cause.trace_id, &cause.span_id);
        is_child || self.links.iter().any(|(trace, span)| (trace, span) == (&cause.trace_id, &cause.span_id))
    }

    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

fn attributes(told: &[KeyValue]) -> Vec<(String, String)> {
    let text = |value: &Value| {
        if let Value::StringValue(text) = value {
            return text.clone();
        }
        if let Value::IntValue(number) = value { number.to_string() } else { format!("{value:?}") }
    };
    let value = |told: &KeyValue| told.value.as_ref().and_then(|value| value.value.as_ref()).map(text);
    told.iter().map(|told| (told.key.clone(), value(told).unwrap_or_default())).collect()
}

fn lock(spans: &Mutex<Vec<Recorded>>) -> MutexGuard<'_, Vec<Recorded>> {
    spans.lock().expect("nobody panics with it")
}
