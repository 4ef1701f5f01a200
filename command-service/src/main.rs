//! The process that takes commands and appends events.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::process::main("command-service", command_service::Config::from_env, command_service::start)
}
