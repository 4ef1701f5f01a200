//! One way to start and to stop for every process: settings, logs, work, signal, drain.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::{ConfigError, Env};
use crate::telemetry::Telemetry;

/// How long a process may take to finish what it has begun.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(8);

/// A started service: where it listens, and the tasks it consists of.
pub struct Running {
    http_address: SocketAddr,
    stop: CancellationToken,
    tasks: JoinSet<anyhow::Result<()>>,
}

impl Running {
    /// A service that listens on `http_address` and ends when `stop` is cancelled.
    pub fn new(http_address: SocketAddr, stop: CancellationToken) -> Self {
        Self { http_address, stop, tasks: JoinSet::new() }
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

    /// Stops taking work and waits until what was begun is finished, or cuts it off at the drain limit.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.stop.cancel();
        let drained = tokio::time::timeout(DRAIN_TIMEOUT, self.first_fault(false)).await;
        drained.context("work was still under way at the drain limit and was cut off")?
    }

    /// Waits until the process is asked to stop, or a task fails, then stops.
    async fn until_signal(mut self) -> anyhow::Result<()> {
        let signal = shutdown_signal();
        tokio::select! {
            signal = signal => signal?,
            fault = self.first_fault(true) => fault?,
        }
        tracing::info!("stopping");
        self.stop().await
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

/// The whole of a service's `main`: reads settings, starts, runs until SIGTERM or Ctrl-C, drains.
pub fn main<C, F>(name: &'static str, config: fn(Env) -> Result<C, ConfigError>, start: fn(C) -> F) -> ExitCode
where
    F: Future<Output = anyhow::Result<Running>>,
{
    let mut env = Env::process();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let telemetry = Telemetry::start(name, &mut env, runtime.as_ref().ok().map(Runtime::handle));
    let run = async {
        let running = start(config(env)?).await?;
        tracing::info!(service = name, http.address = %running.http_address(), "started");
        running.until_signal().await
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
    code
}

async fn shutdown_signal() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
