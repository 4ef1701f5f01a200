//! The query service as a process.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::process::main("query-service", query_service::Config::from_env, query_service::start)
}
