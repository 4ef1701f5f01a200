//! `keepsake serve SERVICE`: runs one of the three services, as its own binary would. `up` starts them this way.

use std::process::ExitCode;

use clap::{Args, ValueEnum};

#[derive(Args, Debug)]
pub struct ServeArgs {
    service: Service,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Service {
    #[value(name = "command-service")]
    Command,
    #[value(name = "projection-workers")]
    Projections,
    #[value(name = "query-service")]
    Query,
}

/// Runs the service until it is asked to stop. Blocks: the service has its own async runtime.
pub fn run(args: &ServeArgs) -> ExitCode {
    use runtime::process::main;
    match args.service {
        Service::Command => main("command-service", command_service::Config::from_env, command_service::start),
        Service::Projections => {
            main("projection-workers", projection_workers::Config::from_env, projection_workers::start)
        }
        Service::Query => main("query-service", query_service::Config::from_env, query_service::start),
    }
}
