//! This program started once more, in another role: it says a line when it is ready, and ends with whoever started it.

use std::io::Read as _;
use std::process::Stdio;

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;

/// This program, to be told its role.
pub(crate) fn command() -> anyhow::Result<Command> {
    Ok(Command::new(std::env::current_exe()?))
}

/// Starts it, and waits for what it says when it is ready. Dropping the child ends it.
pub(crate) async fn start(command: &mut Command) -> anyhow::Result<(Child, String)> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let said = child.stdout.take().context("it has no standard output")?;
    let line = BufReader::new(said).lines().next_line().await?;
    Ok((child, line.context("it ended before it was ready")?))
}

/// In the child: waits until the process that holds our standard input is gone.
pub(crate) async fn until_parent_is_gone() {
    let (gone, parent) = oneshot::channel::<()>();
    // A thread and no task: the runtime does not wait for it.
    std::thread::spawn(move || {
        let _nothing_more_to_read = std::io::stdin().read_to_end(&mut Vec::new());
        drop(gone);
    });
    let _dropped_and_never_sent = parent.await;
}
