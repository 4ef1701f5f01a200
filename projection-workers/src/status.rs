//! Whether each lane is folded, and if not why: for readiness, and for one line in the log per change.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::error::{Fault, Severity};
use crate::lane::Lane;

#[derive(Default)]
pub(crate) struct Status(Mutex<Inner>);

struct Inner {
    /// Why this worker does not know its lanes; None when it does.
    leases: Option<String>,
    /// Why each lane is not folded; None when it is.
    lanes: BTreeMap<String, Option<String>>,
}

impl Default for Inner {
    fn default() -> Self {
        Self { leases: Some("starting".to_owned()), lanes: BTreeMap::new() }
    }
}

impl Status {
    /// The leases were looked at.
    pub(crate) fn looked(&self, found: Result<(), &Fault>) {
        let why = found.err().map(ToString::to_string);
        if std::mem::replace(&mut self.inner().leases, why.clone()) != why
            && let Some(why) = why
        {
            tracing::warn!(error = why, "the leases of the lanes cannot be renewed");
        }
    }

    pub(crate) fn folding(&self, lane: Lane) {
        if self.change(lane, None) {
            tracing::info!(%lane, "folding");
        }
    }

    pub(crate) fn waiting(&self, lane: Lane, fault: &Fault) {
        if !self.change(lane, Some(fault.to_string())) {
            return;
        }
        match fault.severity() {
            Severity::Retry => tracing::warn!(%lane, error = %fault, "folding waits"),
            Severity::Halt | Severity::Stop => tracing::error!(%lane, error = %fault, "folding is halted"),
        }
    }

    /// The lane is somebody else's from now on.
    pub(crate) fn gone(&self, lane: Lane) {
        if self.inner().lanes.remove(&lane.to_string()).is_some() {
            tracing::info!(%lane, "let go of");
        }
    }

    /// A worker without lanes stands by, which is well.
    pub(crate) fn folding_or_why_not(&self) -> Result<(), String> {
        let inner = self.inner();
        let of_lane = |(lane, why): (&String, &Option<String>)| why.as_ref().map(|why| format!("lane {lane}: {why}"));
        inner.leases.clone().or_else(|| inner.lanes.iter().find_map(of_lane)).map_or(Ok(()), Err)
    }

    /// True when it is another state than before.
    fn change(&self, lane: Lane, why: Option<String>) -> bool {
        self.inner().lanes.insert(lane.to_string(), why.clone()) != Some(why)
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
