//! The projection workers as a process.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::process::main("projection-workers", projection_workers::Config::from_env, projection_workers::start)
}
