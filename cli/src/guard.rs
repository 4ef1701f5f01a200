//! `keepsake guard`: runs one program and ends it as soon as the process that asked for it is gone, even by `kill -9`.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal};

use crate::servers::account::Account;
use crate::servers::{lock, orphans, own_executable};

/// How long the program waits for an earlier run of itself to let go of its files.
const LOCK_TIMEOUT: Duration = Duration::from_secs(20);

/// The signal a program understands as "finish and end".
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum StopSignal {
    /// What most programs expect.
    Term,
    /// What Postgres takes as "end now, without waiting for clients".
    Int,
}

impl StopSignal {
    pub(crate) fn argument(self) -> &'static str {
        match self {
            Self::Term => "term",
            Self::Int => "int",
        }
    }

    fn signal(self) -> Signal {
        match self {
            Self::Term => Signal::SIGTERM,
            Self::Int => Signal::SIGINT,
        }
    }
}

/// Runs a program until standard input, a pipe held by the caller, is closed; then ends it.
#[derive(clap::Args, Clone, Debug)]
pub struct GuardArgs {
    /// Account the program runs under (only root may choose one)
    #[arg(long)]
    pub user: Option<String>,
    /// Signal that asks the program to end
    #[arg(long, value_enum, default_value = "term")]
    pub signal: StopSignal,
    /// Seconds the program has to end before it is killed
    #[arg(long, default_value_t = 8)]
    pub grace: u64,
    /// File kept locked until the program and all its children are gone
    #[arg(long)]
    pub lock: Option<PathBuf>,
    /// Second stage: become the program, and die with the guard of this process id
    #[arg(long, hide = true)]
    pub exec_for: Option<i32>,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    pub program: Vec<OsString>,
}

/// Prints `pid <n>` once the program runs, and ends with the program's own exit code.
///
/// Must be awaited on the main thread: on Linux the program is told to end when the thread that started it does.
pub async fn run(args: GuardArgs) -> anyhow::Result<ExitCode> {
    if let Some(guard) = args.exec_for {
        return Err(become_program(&args, guard));
    }
    // Listening comes first, so that no request to end is lost while the program starts.
    let mut asked = StopRequest::listen()?;
    orphans::adopt()?;
    let mut child = tokio::select! {
        child = spawn(&args) => child?,
        () = asked.wait() => return Ok(ExitCode::SUCCESS),
    };
    let pid = Pid::from_raw(child.id().context("the program ended at once")?.try_into()?);
    // A caller that is gone already is noticed by the closed pipe next.
    let _caller_gone = writeln!(std::io::stdout(), "pid {pid}");
    let status = tokio::select! {
        status = child.wait() => status?,
        () = asked.wait() => stop(&mut child, pid, &args).await?,
    };
    orphans::end();
    Ok(exit_code(status))
}

async fn spawn(args: &GuardArgs) -> anyhow::Result<Child> {
    let stdin = match &args.lock {
        // The program inherits the locked file as its unused standard input, and so do its own children: whoever
        // gets the lock next knows that not one of them is left.
        Some(path) => Stdio::from(locked(path).await?),
        None => Stdio::null(),
    };
    let mut command = Command::new(own_executable()?);
    command.arg("guard").args(["--signal", args.signal.argument(), "--exec-for", &std::process::id().to_string()]);
    if let Some(user) = &args.user {
        // The account may not be allowed into the folder we stand in.
        command.args(["--user", user]).current_dir("/");
    }
    command.arg("--").args(&args.program).process_group(0).stdin(stdin);
    command.stdout(std::io::stderr().as_fd().try_clone_to_owned()?);
    command.spawn().with_context(|| format!("{} cannot be started", args.program[0].display()))
}

async fn locked(path: &std::path::Path) -> anyhow::Result<File> {
    let message = || format!("{} is still held by an earlier run", path.display());
    tokio::time::timeout(LOCK_TIMEOUT, lock::wait(path)).await.with_context(message)?
}

/// Asks nicely, then kills the program's whole process group.
async fn stop(child: &mut Child, pid: Pid, args: &GuardArgs) -> anyhow::Result<ExitStatus> {
    // An error here means that it has just ended by itself.
    let _ended_already = kill(pid, args.signal.signal());
    if let Ok(status) = tokio::time::timeout(Duration::from_secs(args.grace), child.wait()).await {
        return Ok(status?);
    }
    let _ended_already = killpg(pid, Signal::SIGKILL);
    Ok(child.wait().await?)
}

/// Replaces this process by the program; comes back only when that fails.
fn become_program(args: &GuardArgs, guard: i32) -> anyhow::Error {
    use std::os::unix::process::CommandExt as _;
    let mut command = std::process::Command::new(&args.program[0]);
    command.args(&args.program[1..]);
    if let Err(error) = prepare(args, guard, &mut command) {
        return error;
    }
    anyhow::Error::new(command.exec()).context(format!("{} cannot be started", args.program[0].display()))
}

#[cfg(target_os = "linux")]
fn prepare(args: &GuardArgs, guard: i32, _command: &mut std::process::Command) -> anyhow::Result<()> {
    if let Some(user) = &args.user {
        Account::named(user)?.assume()?;
    }
    // Changing the account clears this setting, so it comes second. It covers a guard that is itself killed.
    nix::sys::prctl::set_pdeathsig(args.signal.signal())?;
    anyhow::ensure!(nix::unistd::getppid() == Pid::from_raw(guard), "the guard is gone");
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn prepare(args: &GuardArgs, _guard: i32, command: &mut std::process::Command) -> anyhow::Result<()> {
    use std::os::unix::process::CommandExt as _;
    if let Some(user) = &args.user {
        let account = Account::named(user)?;
        command.uid(account.uid).gid(account.gid);
    }
    Ok(())
}

/// The shell's convention: 128 plus the signal for a program that was killed.
fn exit_code(status: ExitStatus) -> ExitCode {
    use std::os::unix::process::ExitStatusExt as _;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// Whatever asks a guard to end: the caller's pipe, or a signal.
struct StopRequest {
    caller: pipe::Receiver,
    signals: [SignalStream; 3],
}

impl StopRequest {
    fn listen() -> anyhow::Result<Self> {
        let stdin = std::io::stdin().as_fd().try_clone_to_owned()?;
        let caller = pipe::Receiver::from_owned_fd(stdin)
            .context("keepsake guard is started by other programs, with a pipe as its standard input")?;
        let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
        let [terminate, interrupt, hangup] = kinds.map(signal);
        Ok(Self { caller, signals: [terminate?, interrupt?, hangup?] })
    }

    async fn wait(&mut self) {
        let [terminate, interrupt, hangup] = &mut self.signals;
        tokio::select! {
            () = closed(&mut self.caller) => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

async fn closed(caller: &mut pipe::Receiver) {
    let mut ignored = [0; 64];
    while matches!(caller.read(&mut ignored).await, Ok(bytes) if bytes > 0) {}
}
