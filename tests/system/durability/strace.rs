//! Watches the system calls of a running process.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

/// Every call by which bytes leave for a file or a socket, and those that bring a file to its disk.
const CALLS: &str = "trace=write,pwrite64,writev,pwritev,pwritev2,sendto,sendmsg,fsync,fdatasync";
/// Larger than any single write of the server.
const LONGEST_STRING: &str = "2097152";

pub(super) struct Strace {
    child: Child,
    /// Kept open: strace says on it whom it lets go.
    stderr: Lines<BufReader<ChildStderr>>,
    output: PathBuf,
}

impl Strace {
    /// Watches a process with all its threads; `None`, said in a sentence, when that is not possible here.
    pub(super) async fn attach(pid: u32, output: &Path) -> Option<Self> {
        let mut command = Command::new("strace");
        command.args(["-f", "-y", "-s", LONGEST_STRING, "-e", CALLS, "-p", &pid.to_string(), "-o"]).arg(output);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return left_out(&error.to_string()),
        };
        let mut stderr = BufReader::new(child.stderr.take().expect("piped")).lines();
        match stderr.next_line().await {
            Ok(Some(line)) if line.contains("attached") => Some(Self { child, stderr, output: output.to_owned() }),
            Ok(line) => left_out(&line.unwrap_or_default()),
            Err(error) => left_out(&error.to_string()),
        }
    }

    /// Lets the process go, and answers what it did.
    pub(super) async fn detach(mut self) -> String {
        let strace = self.child.id().and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw).expect("it runs");
        kill(strace, Signal::SIGINT).expect("it is ours");
        while let Ok(Some(_)) = self.stderr.next_line().await {}
        self.child.wait().await.expect("it ends");
        std::fs::read_to_string(&self.output).expect("a trace")
    }
}

fn left_out(why: &str) -> Option<Strace> {
    eprintln!("not run: strace cannot watch nats-server here ({why})");
    None
}
