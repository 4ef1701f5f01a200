//! `keepsake up`: everything on one machine, and nothing of it left behind, however it ends.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::{Child, Command};

use keepsake_tests::harness::services::free_port;
use keepsake_tests::harness::{eventually, keepsake, repository};

/// A run folder that finds the servers this checkout has fetched already.
fn run_folder() -> TempDir {
    // Open to the account that Postgres runs under, so that all data is in it.
    let folder = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir().expect("a folder");
    let fetched = repository().join(".run/servers");
    std::fs::create_dir_all(&fetched).expect("a folder");
    std::os::unix::fs::symlink(fetched, folder.path().join("servers")).expect("links");
    folder
}

fn up(folder: &Path, option: &str) -> Child {
    Command::new(keepsake())
        .args(["up", option, "--http-port", &free_port().to_string(), "--run-dir"])
        .arg(folder)
        .env_remove("NATS_URL")
        .env_remove("DATABASE_URL")
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(folder.join("said")).expect("a file"))
        .stderr(std::fs::File::create(folder.join("complained")).expect("a file"))
        .kill_on_drop(true)
        .spawn()
        .expect("starts")
}

/// Waits until no process names the folder among its arguments.
async fn assert_nothing_left(folder: &Path) {
    let name = folder.display().to_string();
    eventually("no process of it is left", async || {
        let listed = Command::new("ps").args(["ax", "-o", "command="]).output().await.expect("ps runs");
        (!String::from_utf8_lossy(&listed.stdout).contains(&name)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_shows_a_command_from_subject_to_screen_and_leaves_no_process() {
    let folder = run_folder();
    let ended = up(folder.path(), "--once").wait().await.expect("ends");
    let said = std::fs::read_to_string(folder.path().join("said")).expect("written");
    let complained = std::fs::read_to_string(folder.path().join("complained")).expect("written");
    assert!(ended.success(), "{said}\n{complained}");
    for shown in ["keepsake send cmd.demo.guest.register", r#""durability": "fsync""#, r#""interaction_count": 2"#] {
        assert!(said.contains(shown), "{shown} is not in:\n{said}");
    }
    assert!(!folder.path().join("env").exists(), "the file for scripts is gone with what it speaks of");
    assert_nothing_left(folder.path()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_it_leaves_no_process_and_starts_again_on_the_same_data() {
    let folder = run_folder();
    for _ in 0..2 {
        let mut child = up(folder.path(), "--no-demo");
        eventually("everything answers", async || folder.path().join("env").exists().then_some(())).await;
        child.kill().await.expect("it is ours to kill");
        assert_nothing_left(folder.path()).await;
        std::fs::remove_file(folder.path().join("env")).expect("a killed process removes nothing");
    }
}
