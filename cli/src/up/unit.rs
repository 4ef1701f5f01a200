//! One process that is kept running until it is told to stop.

use std::path::PathBuf;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Console;
use crate::servers::{Guarded, Program, describe};

const FIRST_BACKOFF: Duration = Duration::from_millis(200);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
/// After this long a process counts as healthy again.
const HEALTHY: Duration = Duration::from_secs(10);

pub(super) struct Unit {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// What a unit needs to start its process again.
pub(super) struct Keeper {
    pub(super) keepsake: PathBuf,
    pub(super) program: Program,
    pub(super) console: Console,
    /// How long the process may take to end before it is killed.
    pub(super) patience: Duration,
    /// Cancelled when everything is to be killed at once.
    pub(super) hard_stop: CancellationToken,
}

impl Unit {
    pub(super) fn keep(keeper: Keeper, process: Guarded) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(keeper.run(process, stop.clone()));
        Self { stop, task }
    }

    pub(super) async fn stop(self) {
        self.stop.cancel();
        // A panicked keeper has dropped its process, which ends that too.
        let _panicked = self.task.await;
    }
}

impl Keeper {
    async fn run(self, mut process: Guarded, stop: CancellationToken) {
        let mut backoff = FIRST_BACKOFF;
        loop {
            let started = Instant::now();
            let status = tokio::select! {
                () = stop.cancelled() => return self.end(process).await,
                status = process.exited() => status,
            };
            if started.elapsed() > HEALTHY {
                backoff = FIRST_BACKOFF;
            }
            self.announce(&describe(status), backoff);
            let again = tokio::select! {
                () = stop.cancelled() => return,
                again = self.again(&mut backoff) => again,
            };
            process = again;
        }
    }

    /// Starts the process again, as often as it takes.
    async fn again(&self, backoff: &mut Duration) -> Guarded {
        loop {
            tokio::time::sleep(*backoff).await;
            *backoff = LONGEST_BACKOFF.min(*backoff * 2);
            match Guarded::start(&self.keepsake, &self.program).await {
                Ok(process) => return process,
                Err(error) => self.console.fault(&format!("{error:#}")),
            }
        }
    }

    fn announce(&self, ending: &str, backoff: Duration) {
        let (name, log, seconds) = (&self.program.name, self.program.log.display(), backoff.as_secs_f32());
        self.console.fault(&format!("{name} {ending}; starting it again in {seconds:.1} s, its log is {log}"));
    }

    async fn end(&self, mut process: Guarded) {
        process.ask_to_end();
        tokio::select! {
            _ = process.exited() => return,
            () = tokio::time::sleep(self.patience) => {}
            () = self.hard_stop.cancelled() => {}
        }
        process.kill_9().await;
    }
}
