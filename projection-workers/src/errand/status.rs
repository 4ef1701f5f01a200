//! Whether each errand is done, and if not why: for readiness, and for one line in the log per change.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Fault, Severity};

/// Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Status(Arc<Mutex<BTreeMap<String, String>>>);

impl Status {
    /// It is done, and goes on.
    pub(crate) fn goes_on(&self, errand: &str) {
        if self.waiting().remove(errand).is_some() {
            tracing::info!(errand, "goes on");
        }
    }

    /// Another process does it, which is well.
    pub(crate) fn stands_by(&self, errand: &str) {
        self.waiting().remove(errand);
    }

    pub(crate) fn waits(&self, errand: &str, fault: &Fault) {
        let why = fault.to_string();
        if self.waiting().insert(errand.to_owned(), why.clone()).as_ref() == Some(&why) {
            return;
        }
        match fault.severity() {
            Severity::Retry => tracing::warn!(errand, error = %fault, "waits"),
            Severity::Halt | Severity::Stop => tracing::error!(errand, error = %fault, "is halted"),
        }
    }

    pub(crate) fn well_or_why_not(&self) -> Result<(), String> {
        self.waiting().iter().next().map_or(Ok(()), |(errand, why)| Err(format!("{errand}: {why}")))
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
