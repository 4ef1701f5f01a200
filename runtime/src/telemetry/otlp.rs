//! Traces to a collector: OTLP over HTTP, set up by the standard variables of OpenTelemetry.

mod collector;

use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::Layer as _;

use self::collector::Collector;
use super::Sink;
use crate::config::Env;
use crate::http_client::HttpError;
use crate::trace::{self, TARGET};

/// Beside the drain limit, within the ten seconds a process has to stop.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);
const SERVICE_NAME: &str = "service.name";
/// Begins the name the SDK makes up when nobody gave one.
const UNNAMED: &str = "unknown_service";

/// Spans on their way to the collector: a bounded queue, and a thread of the SDK's that sends them in batches. What does not fit is dropped.
pub(super) struct Export {
    provider: SdkTracerProvider,
}

impl Export {
    pub(super) fn start(service: &'static str, url: &str, env: &mut Env, runtime: &Handle) -> Option<Self> {
        let Ok(exporter) = exporter(url, runtime) else {
            return env.refuse(
                "OTEL_EXPORTER_OTLP_ENDPOINT is not readable: the address of a collector that takes OTLP over HTTP",
            );
        };
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource(service));
        trace::recorded::begin();
        Some(Self { provider: provider.build() })
    }

    #[expect(clippy::unnecessary_wraps, reason = "as without the feature")]
    pub(super) fn sink(&self) -> Option<Sink> {
        let ours = filter_fn(|metadata| metadata.is_span() && metadata.target() == TARGET);
        let spans = tracing_opentelemetry::layer::<Registry>()
            .with_tracer(self.provider.tracer("keepsake"))
            .with_context_activation(false)
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false);
        Some(spans.with_filter(ours.with_max_level_hint(LevelFilter::DEBUG)).boxed())
    }

    #[expect(clippy::unused_self, reason = "as without the feature")]
    pub(super) fn announce(&self) {
        tracing::info!("traces are sent to a collector");
    }

    pub(super) fn flush(self) {
        // A collector that is gone has been told of already.
        let _unsent = self.provider.shutdown_with_timeout(FLUSH_TIMEOUT);
    }
}

fn exporter(url: &str, runtime: &Handle) -> Result<SpanExporter, Box<dyn std::error::Error>> {
    let collector = Collector::new(url.starts_with("https:"), runtime.clone()).map_err(|error: HttpError| error)?;
    Ok(SpanExporter::builder().with_http().with_http_client(collector).with_protocol(Protocol::HttpBinary).build()?)
}

/// What the environment says about this process, and what it leaves open.
fn resource(service: &'static str) -> Resource {
    let told = Resource::builder().build();
    let name = told.get(&Key::from_static_str(SERVICE_NAME));
    let unnamed = name.is_none_or(|name| name.as_str().starts_with(UNNAMED));
    let own = unnamed.then(|| KeyValue::new(SERVICE_NAME, service));
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    Resource::builder().with_attributes(own.into_iter().chain([version])).build()
}
