//! One way to start and to stop for every process: settings, logs, work, signal, notice, drain.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::{ConfigError, Env};
use crate::telemetry::Telemetry;

/// How long a process may take to end what it has begun, from the signal on: after ten seconds many an operator sends SIGKILL.
const END_TIMEOUT: Duration = Duration::from_secs(8);
/// For what the async runtime cannot interrupt.
const RUNTIME_TIMEOUT: Duration = Duration::from_millis(500);

const DEFAULT_NOTICE_MS: u64 = 1_000;
/// The rest of ten seconds is for the requests under way.
const MAX_NOTICE_MS: u64 = 5_000;

/// How the parts of a process hear that it ends.
#[derive(Clone, Debug)]
pub struct Ending {
    /// It will stop in a moment: who sends it work had better send it elsewhere.
    pub announced: CancellationToken,
    /// It takes no more work.
    pub stop: CancellationToken,
}

impl Ending {
    /// Of a process that ends with `stop`.
    pub fn with(stop: CancellationToken) -> Self {
        Self { announced: stop.child_token(), stop }
    }
}

/// A started service: where it listens, and the tasks it consists of.
pub struct Running {
    http_address: SocketAddr,
    ending: Ending,
    tasks: JoinSet<anyhow::Result<()>>,
}

impl Running {
    /// A service that listens on `http_address` and ends when `stop` is cancelled.
    pub fn new(http_address: SocketAddr, stop: CancellationToken) -> Self {
        Self { http_address, ending: Ending::with(stop), tasks: JoinSet::new() }
    }

    /// Adds a task; the service fails when it fails.
    pub fn spawn(&mut self, task: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        self.tasks.spawn(task);
    }

    pub fn http_address(&self) -> SocketAddr {
        self.http_address
    }

    /// `http://<address>`
    pub fn url(&self) -> String {
        format!("http://{}", self.http_address)
    }

    /// How its parts hear that it ends.
    pub fn ending(&self) -> Ending {
        self.ending.clone()
    }

    /// Stops taking work and waits until what was begun is finished, or cuts it off at the time limit.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.stop_by(Instant::now() + END_TIMEOUT).await
    }

    async fn stop_by(mut self, deadline: Instant) -> anyhow::Result<()> {
        self.ending.stop.cancel();
        let drained = tokio::time::timeout_at(deadline, self.first_fault(false)).await;
        drained.context("work was still under way at the drain limit and was cut off")?
    }

    /// Waits until the process is asked to stop, or a task fails. It says so for as long as `notice`, or until it is asked again,
    /// and works on meanwhile; then it stops.
    async fn until_signal(mut self, mut signals: Signals, notice: Duration) -> anyhow::Result<()> {
        tokio::select! {
            () = signals.next() => {}
            fault = self.first_fault(true) => fault?,
        }
        let deadline = Instant::now() + END_TIMEOUT;
        self.ending.announced.cancel();
        tracing::info!(notice_ms = notice.as_millis(), "stopping");
        tokio::select! {
            () = tokio::time::sleep(notice) => {}
            () = signals.next() => {}
            fault = self.first_fault(true) => fault?,
        }
        self.stop_by(deadline).await
    }

    /// The first fault of any task; with `any_end` the plain end of a task counts as one.
    async fn first_fault(&mut self, any_end: bool) -> anyhow::Result<()> {
        while let Some(ended) = self.tasks.join_next().await {
            ended.context("a task panicked")??;
            anyhow::ensure!(!any_end, "a task ended although nobody asked it to");
        }
        Ok(())
    }
}

/// The whole of a service's `main`: reads settings, starts, runs until SIGTERM or Ctrl-C, says so, drains.
pub fn main<C, F>(name: &'static str, config: fn(Env) -> Result<C, ConfigError>, start: fn(C) -> F) -> ExitCode
where
    F: Future<Output = anyhow::Result<Running>>,
{
    let mut env = Env::process();
    let notice = notice(&mut env);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let telemetry = Telemetry::start(name, &mut env, runtime.as_ref().ok().map(Runtime::handle));
    let run = async {
        // Before anybody can see that it is ready, and ask it to stop.
        let mut signals = Signals::listen()?;
        let running = tokio::select! {
            started = Box::pin(start(config(env)?)) => started?,
            () = signals.next() => return Ok(()),
        };
        tracing::info!(service = name, http.address = %running.http_address(), "started");
        running.until_signal(signals, notice).await
    };
    let ended = runtime
        .as_ref()
        .map_err(|error| anyhow!("no async runtime: {error}"))
        .and_then(|runtime| runtime.block_on(run));
    let code = match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(service = name, "{error:#}");
            ExitCode::FAILURE
        }
    };
    telemetry.flush();
    if let Ok(runtime) = runtime {
        runtime.shutdown_timeout(RUNTIME_TIMEOUT);
    }
    code
}

/// How long a process says that it will stop before it does: `KEEPSAKE_SHUTDOWN_NOTICE_MS`.
fn notice(env: &mut Env) -> Duration {
    let what = "milliseconds, 0 to 5000";
    let millis = env.or("KEEPSAKE_SHUTDOWN_NOTICE_MS", DEFAULT_NOTICE_MS, what);
    if millis > MAX_NOTICE_MS {
        let _refused: Option<()> = env.refuse(&format!("KEEPSAKE_SHUTDOWN_NOTICE_MS is too long: {what}"));
    }
    Duration::from_millis(millis)
}

/// SIGTERM and Ctrl-C, each as often as it comes.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
