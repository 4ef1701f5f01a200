//! A program that runs under `keepsake guard`, as its parent sees it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::account::Account;
use super::log_tail;
use crate::guard::StopSignal;

/// Longer than a guard waits for the lock of an earlier run.
const SPAWN_TIMEOUT: Duration = Duration::from_secs(30);

/// A program as it is to be started, once or again.
#[derive(Clone, Debug)]
pub struct Program {
    pub name: String,
    /// Absolute: an account without access to our folder starts it from `/`.
    pub executable: PathBuf,
    pub arguments: Vec<OsString>,
    pub environment: Vec<(String, String)>,
    pub log: PathBuf,
    /// Held by the program and all its children until they are gone.
    pub lock: PathBuf,
    pub account: Option<Account>,
    pub stop_signal: StopSignal,
    /// How long it may take to end once it was asked.
    pub grace: Duration,
}

/// A running program; dropping this asks it to end, without waiting.
#[derive(Debug)]
pub struct Guarded {
    name: String,
    pid: Pid,
    guard: Child,
    lifeline: Option<ChildStdin>,
    log: PathBuf,
    log_start: u64,
}

impl Guarded {
    /// Starts the program, after an earlier run of it has let go of its lock.
    pub async fn start(keepsake: &Path, program: &Program) -> anyhow::Result<Self> {
        let log = open_log(&program.log)?;
        let log_start = log.metadata()?.len();
        let mut guard =
            command(keepsake, program).stderr(log).spawn().with_context(|| keepsake.display().to_string())?;
        let (lifeline, stdout) = (guard.stdin.take(), guard.stdout.take());
        let pid = tokio::time::timeout(SPAWN_TIMEOUT, read_pid(stdout)).await.ok().flatten();
        let failed = || format!("{} did not start:\n{}", program.name, log_tail::since(&program.log, log_start));
        let pid = pid.with_context(failed)?;
        Ok(Self { name: program.name.clone(), pid, guard, lifeline, log: program.log.clone(), log_start })
    }

    /// The program itself, not its guard.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw().unsigned_abs()
    }

    /// Waits until the program has ended by itself.
    pub async fn exited(&mut self) -> ExitStatus {
        // Waiting for an own child fails only when it was waited for elsewhere, which nobody can.
        self.guard.wait().await.unwrap_or_default()
    }

    /// Waits until `ready`, or fails with the program's own last words.
    pub async fn until_ready(&mut self, deadline: Duration, ready: impl AsyncFn() -> bool) -> anyhow::Result<()> {
        let ended = tokio::select! {
            status = self.guard.wait() => format!("{} {}", self.name, describe(status?)),
            outcome = tokio::time::timeout(deadline, poll(ready)) => match outcome {
                Ok(()) => return Ok(()),
                Err(_) => format!("{} was not ready within {} s", self.name, deadline.as_secs()),
            },
        };
        anyhow::bail!("{ended}; the end of {}:\n{}", self.log.display(), self.last_words())
    }

    /// The end of what the program has logged since it was started.
    pub fn last_words(&self) -> String {
        log_tail::since(&self.log, self.log_start)
    }

    /// Asks the program to end, and kills it when it has not within `patience`.
    pub async fn stop(mut self, patience: Duration) {
        self.ask_to_end();
        if tokio::time::timeout(patience, self.guard.wait()).await.is_err() {
            self.kill_9().await;
        }
    }

    /// Asks the program to end, without waiting.
    pub fn ask_to_end(&mut self) {
        self.lifeline = None;
    }

    /// Kills the program as a crash would, and waits until it is gone.
    pub async fn kill_9(&mut self) {
        // An error means that it is gone already, which is what is wanted.
        let _gone = kill(self.pid, Signal::SIGKILL);
        self.exited().await;
    }
}

/// "ended with code 1", "was killed by signal 9": as the guard passes it on.
pub fn describe(status: ExitStatus) -> String {
    match status.code() {
        Some(code @ 129..) => format!("was killed by signal {}", code - 128),
        Some(code) => format!("ended with code {code}"),
        None => "was killed together with its guard".to_owned(),
    }
}

fn command(keepsake: &Path, program: &Program) -> Command {
    let mut command = Command::new(keepsake);
    command.arg("guard").args(["--signal", program.stop_signal.argument()]);
    command.arg("--grace").arg(program.grace.as_secs().to_string());
    command.arg("--lock").arg(&program.lock);
    if let Some(account) = &program.account {
        command.args(["--user", &account.name]);
    }
    command.arg("--").arg(&program.executable).args(&program.arguments);
    command.envs(program.environment.iter().map(|(name, value)| (name, value)));
    // A group of its own: Ctrl-C in the terminal reaches us alone, and we stop things in order.
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

fn open_log(path: &Path) -> anyhow::Result<File> {
    let message = || format!("{} cannot be written", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(message)?;
    }
    File::options().create(true).append(true).open(path).with_context(message)
}

async fn read_pid(stdout: Option<ChildStdout>) -> Option<Pid> {
    let mut line = String::new();
    BufReader::new(stdout?).read_line(&mut line).await.ok()?;
    line.strip_prefix("pid ")?.trim().parse().ok().map(Pid::from_raw)
}

async fn poll(ready: impl AsyncFn() -> bool) {
    let mut ticks = tokio::time::interval(Duration::from_millis(25));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !ready().await {
        ticks.tick().await;
    }
}
