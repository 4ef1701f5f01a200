//! In place of `otlp.rs` in a build without the feature: says that nothing is exported when somebody expects it.

use tokio::runtime::Handle;

use super::Sink;
use crate::config::Env;

/// Somebody has named a collector.
pub(super) struct Export;

impl Export {
    #[expect(clippy::unnecessary_wraps, reason = "as with the feature")]
    pub(super) fn start(_: &'static str, _: &str, _: &mut Env, _: &Handle) -> Option<Self> {
        Some(Self)
    }

    #[expect(clippy::unused_self, reason = "as with the feature")]
    pub(super) fn sink(&self) -> Option<Sink> {
        None
    }

    #[expect(clippy::unused_self, reason = "as with the feature")]
    pub(super) fn announce(&self) {
        tracing::warn!("a collector of traces is named, and this build has none to send: build with --features otlp");
    }

    #[expect(clippy::unused_self, reason = "as with the feature")]
    pub(super) fn flush(self) {}
}
