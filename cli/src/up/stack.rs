//! All that runs, in the order it was started; it is stopped in the opposite order.

use std::path::Path;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Console;
use super::unit::{Keeper, Unit};
use crate::servers::{Guarded, Program};

/// Five processes at this pace end within the ten seconds a stop may take. Whoever is killed here loses nothing:
/// everything acknowledged is on disk.
const PATIENCE: Duration = Duration::from_millis(1900);

pub(super) struct Stack {
    units: Vec<Unit>,
    console: Console,
    hard_stop: CancellationToken,
}

impl Stack {
    pub(super) fn new(console: Console) -> Self {
        Self { units: Vec::new(), console, hard_stop: CancellationToken::new() }
    }

    /// From now on the process is started again whenever it ends.
    pub(super) fn keep(&mut self, keepsake: &Path, (program, process): (Program, Guarded)) {
        let (keepsake, console, hard_stop) = (keepsake.to_owned(), self.console.clone(), self.hard_stop.clone());
        self.units.push(Unit::keep(Keeper { keepsake, program, console, patience: PATIENCE, hard_stop }, process));
    }

    /// Cancelled by whoever wants everything killed at once.
    pub(super) fn hard_stop(&self) -> CancellationToken {
        self.hard_stop.clone()
    }

    pub(super) async fn stop(mut self) {
        while let Some(unit) = self.units.pop() {
            unit.stop().await;
        }
    }
}
