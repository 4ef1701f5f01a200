//! Watches the system calls of a running process.

use std::fs::DirEntry;
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
        loop {
            let strace = match Self::start(pid, output).await {
                Ok(strace) => strace,
                Err(why) => {
                    eprintln!("not run: strace cannot watch nats-server here ({why})");
                    return None;
                }
            };
            if every_thread_is_watched(pid) {
                return Some(strace);
            }
            // A thread that was born meanwhile would go unseen: all over again.
            strace.detach().await;
        }
    }

    async fn start(pid: u32, output: &Path) -> Result<Self, String> {
        let mut command = Command::new("strace");
        command.args(["-f", "-y", "-s", LONGEST_STRING, "-e", CALLS, "-p", &pid.to_string(), "-o"]).arg(output);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let mut stderr = BufReader::new(child.stderr.take().expect("piped")).lines();
        match stderr.next_line().await {
            Ok(Some(line)) if line.contains("attached") => Ok(Self { child, stderr, output: output.to_owned() }),
            Ok(line) => Err(line.unwrap_or_default()),
            Err(error) => Err(error.to_string()),
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

fn every_thread_is_watched(pid: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("the server runs");
    // A thread that ended meanwhile has nothing left to be seen.
    let status = |thread: DirEntry| std::fs::read_to_string(thread.path().join("status")).ok();
    threads.flatten().filter_map(status).all(|status| !status.lines().any(|line| line == "TracerPid:\t0"))
}
