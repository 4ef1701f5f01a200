//! Logs to standard error, human lines or JSON; and traces to a collector, in a build with the feature `otlp`.

#[cfg_attr(not(feature = "otlp"), path = "telemetry/no_otlp.rs")]
mod otlp;

use std::str::FromStr;

use tokio::runtime::Handle;
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt};

use self::otlp::Export;
use crate::config::Env;

const DEFAULT_FILTER: &str = "info,async_nats=warn";

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Human,
    Json,
}

#[derive(Debug)]
struct UnknownFormat;

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        match text {
            "human" => Ok(Self::Human),
            "json" => Ok(Self::Json),
            _ => Err(UnknownFormat),
        }
    }
}

type Sink = Box<dyn Layer<Registry> + Send + Sync>;

/// What is to be done before the process ends.
pub(crate) struct Telemetry {
    export: Option<Export>,
}

impl Telemetry {
    /// Installs the process-wide writer of the log, and what records traces. Unreadable settings are noted, and the log is as if
    /// they were absent: it is where such faults are told.
    pub(crate) fn start(service: &'static str, env: &mut Env, runtime: Option<&Handle>) -> Self {
        let filter = env.optional("KEEPSAKE_LOG", "a level, or levels by crate: info,async_nats=warn");
        let filter = filter.unwrap_or_else(|| EnvFilter::new(DEFAULT_FILTER));
        let format = env.or("KEEPSAKE_LOG_FORMAT", Format::Human, "human or json");
        let collector = collector(env);
        let export = collector.zip(runtime).and_then(|(url, runtime)| Export::start(service, &url, env, runtime));
        let sinks: Vec<_> = [lines(filter, format)].into_iter().chain(export.as_ref().and_then(Export::sink)).collect();
        // A second service in the same process finds the writer installed already, which is what it wants.
        let _already_installed = tracing_subscriber::registry().with(sinks).try_init();
        export.iter().for_each(Export::announce);
        Self { export }
    }

    /// Sends what was recorded last.
    pub(crate) fn flush(self) {
        self.export.into_iter().for_each(Export::flush);
    }
}

fn lines(filter: EnvFilter, format: Format) -> Sink {
    let lines = fmt::layer().with_writer(std::io::stderr);
    match format {
        Format::Human => lines.with_filter(filter).boxed(),
        Format::Json => lines.json().with_filter(filter).boxed(),
    }
}

/// Where traces are to be sent, as the SDK of OpenTelemetry reads it; nowhere unless it is said.
fn collector(env: &mut Env) -> Option<String> {
    let mut named = |name| env.optional::<String>(name, "text").filter(|value| !value.is_empty());
    let disabled = named("OTEL_SDK_DISABLED").is_some_and(|disabled| disabled.eq_ignore_ascii_case("true"));
    let elsewhere = named("OTEL_TRACES_EXPORTER").is_some_and(|exporter| exporter != "otlp");
    let url = named("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(|| named("OTEL_EXPORTER_OTLP_ENDPOINT"));
    url.filter(|_| !disabled && !elsewhere)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::TARGET;

    #[test]
    fn without_a_collector_no_span_is_made() {
        let filter = EnvFilter::new(DEFAULT_FILTER);
        let sinks = vec![lines(filter, Format::Human)];
        let span = || tracing::debug_span!(target: TARGET, "a step");
        let made = tracing::subscriber::with_default(tracing_subscriber::registry().with(sinks), span);
        assert!(made.is_disabled(), "{made:?}");
    }

    #[test]
    fn how_lines_are_written_is_one_of_two_words() {
        assert_eq!("json".parse::<Format>().ok(), Some(Format::Json));
        assert!(["", "JSON", "text"].iter().all(|text| text.parse::<Format>().is_err()));
    }
}
