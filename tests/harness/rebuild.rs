//! `keepsake rebuild`, as somebody types it.

use super::{Service, World, keepsake};

/// Its exit code and what it said.
pub async fn rebuild(world: &World, arguments: &[&str]) -> (Option<i32>, String) {
    let output = rebuilding(world, arguments).output().await.expect("runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

/// The same, to be started.
pub fn rebuilding(world: &World, arguments: &[&str]) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(keepsake());
    command.arg("rebuild").args(arguments).envs(world.environment(Service::Projections));
    command.env("DATABASE_URL", &world.database.read_admin).kill_on_drop(true);
    command
}
