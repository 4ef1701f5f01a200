//! One service of the compose file, as a process.

use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use super::file::ComposeFile;
use super::machine::Machine;
use keepsake_tests::harness::eventually;

pub(super) struct Container {
    service: &'static str,
    process: Child,
    log: PathBuf,
    grace: Duration,
}

impl Container {
    pub(super) fn start(service: &'static str, mut command: Command, log: PathBuf, file: &ComposeFile) -> Self {
        let output = std::fs::File::create(&log).expect("a log");
        let process = command.stdout(output.try_clone().expect("a log")).stderr(output).spawn().expect("starts");
        let grace = Duration::from_secs(file.service(service).stop_grace_seconds());
        Self { service, process, log, grace }
    }

    /// Waits until the file's own health check succeeds.
    pub(super) async fn becomes_healthy(&mut self, machine: &Machine) {
        let check = machine.file.service(self.service).health_command();
        eventually(&format!("{} is healthy", self.service), async || {
            let ended = self.process.try_wait().expect("our child");
            assert!(ended.is_none(), "{} {ended:?}: {}", self.service, self.said());
            let checked = machine.command(self.service, check).output().await.expect("starts");
            checked.status.success().then_some(())
        })
        .await;
    }

    /// Asks it to end, as `docker compose stop` does; it does so in time and without a fault.
    pub(super) async fn ends_when_asked(mut self) {
        let pid = self.process.id().expect("it runs").cast_signed();
        kill(Pid::from_raw(pid), Signal::SIGTERM).expect("it is ours");
        let ended = tokio::time::timeout(self.grace, self.process.wait()).await;
        let status = ended.unwrap_or_else(|_| panic!("{} outlasts {:?}: {}", self.service, self.grace, self.said()));
        assert_eq!(status.expect("our child").code(), Some(0), "{}: {}", self.service, self.said());
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).expect("a log")
    }
}
