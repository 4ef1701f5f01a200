//! The ways in which `up` is told to stop.

use std::time::Duration;

use anyhow::Context as _;
use nix::unistd::{Pid, getppid};
use tokio::signal::unix::{Signal, SignalKind, signal};

const PARENT_CHECK: Duration = Duration::from_millis(250);

pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    parent: Option<Pid>,
}

impl Signals {
    /// With a `parent`, its end is one of the ways: `make` that was killed can pass nothing on.
    pub(super) fn listen(parent: Option<i32>) -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("signals cannot be received");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
            parent: parent.map(Pid::from_raw),
        })
    }

    /// Waits for the first wish to stop, and names it.
    pub(super) async fn stop(&mut self) -> &'static str {
        tokio::select! {
            name = received(&mut self.interrupt, &mut self.terminate, &mut self.hangup) => name,
            () = orphaned(self.parent) => "the process that started this is gone",
        }
    }

    /// Waits for a further one.
    pub(super) async fn again(&mut self) -> &'static str {
        received(&mut self.interrupt, &mut self.terminate, &mut self.hangup).await
    }
}

async fn received(interrupt: &mut Signal, terminate: &mut Signal, hangup: &mut Signal) -> &'static str {
    tokio::select! {
        _ = interrupt.recv() => "Ctrl-C",
        _ = terminate.recv() => "asked to end",
        _ = hangup.recv() => "the terminal is gone",
    }
}

async fn orphaned(parent: Option<Pid>) {
    let Some(parent) = parent else { return std::future::pending().await };
    let mut checks = tokio::time::interval(PARENT_CHECK);
    while getppid() == parent {
        checks.tick().await;
    }
}
