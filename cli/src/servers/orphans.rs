//! What a killed server leaves behind: Postgres backends in the middle of a query outlive their postmaster for as long
//! as the query takes, and nobody can start the cluster again before that.

/// From now on whatever our children leave behind becomes ours.
#[cfg(target_os = "linux")]
pub(crate) fn adopt() -> anyhow::Result<()> {
    Ok(nix::sys::prctl::set_child_subreaper(true)?)
}

/// Kills all that was adopted, and waits until it is gone.
#[cfg(target_os = "linux")]
pub(crate) fn end() {
    use nix::sys::signal::{Signal, kill};
    use nix::sys::wait::waitpid;

    let mut children = children();
    while !children.is_empty() {
        for child in children {
            // An error means that it has just ended, which the wait below sees as well.
            let _ended = kill(child, Signal::SIGKILL).and_then(|()| waitpid(child, None));
        }
        children = self::children();
    }
}

#[cfg(target_os = "linux")]
fn children() -> Vec<nix::unistd::Pid> {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    let pids = lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>());
    pids.map(nix::unistd::Pid::from_raw).collect()
}

/// Only Linux lets a process adopt; elsewhere the lock of the program makes the next start wait.
#[cfg(not(target_os = "linux"))]
pub(crate) fn adopt() -> anyhow::Result<()> {
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn end() {}
