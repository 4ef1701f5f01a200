//! Whether the worker folds, and if not why: for readiness, and for one log line per change.

use tokio::sync::watch;

use crate::error::{Fault, Severity};

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Folding,
    Waiting(String),
}

pub(crate) struct Status(watch::Sender<State>);

impl Default for Status {
    fn default() -> Self {
        Self(watch::Sender::new(State::Waiting("starting".to_owned())))
    }
}

impl Status {
    pub(crate) fn folding(&self) {
        if self.change(State::Folding) {
            tracing::info!("folding");
        }
    }

    pub(crate) fn waiting(&self, fault: &Fault) {
        if !self.change(State::Waiting(fault.to_string())) {
            return;
        }
        match fault.severity() {
            Severity::Retry => tracing::warn!(error = %fault, "folding waits"),
            Severity::Halt | Severity::Stop => tracing::error!(error = %fault, "folding is halted"),
        }
    }

    pub(crate) fn folding_or_why_not(&self) -> Result<(), String> {
        match &*self.0.borrow() {
            State::Folding => Ok(()),
            State::Waiting(reason) => Err(reason.clone()),
        }
    }

    /// True when it is another state than before.
    fn change(&self, state: State) -> bool {
        self.0.send_if_modified(|current| {
            let changed = *current != state;
            *current = state;
            changed
        })
    }
}
