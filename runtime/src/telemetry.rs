//! Logs to standard error: human lines or JSON. `KEEPSAKE_LOG` filters, `KEEPSAKE_LOG_FORMAT` is `human` or `json`.

use tracing_subscriber::EnvFilter;

/// Installs the process-wide log writer; later calls change nothing.
pub fn init() {
    let filter = EnvFilter::try_from_env("KEEPSAKE_LOG").unwrap_or_else(|_| EnvFilter::new("info,async_nats=warn"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let json = std::env::var("KEEPSAKE_LOG_FORMAT").is_ok_and(|format| format == "json");
    // A second service in the same process finds the writer installed already, which is what it wants.
    let _already_installed = if json { builder.json().try_init() } else { builder.try_init() };
}
