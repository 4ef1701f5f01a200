//! What any process needs to run: configuration, authentication, telemetry, metrics, problems, health, serving, shutdown, clock.

pub mod accept;
pub mod auth;
pub mod body;
pub mod clock;
pub mod config;
pub mod health;
pub mod http_client;
pub mod limits;
pub mod metrics;
pub mod openapi;
pub mod problem;
pub mod process;
pub mod serve;
mod telemetry;
pub mod tenant;
pub mod trace;

pub use process::Running;

/// A command is some hundred small allocations on several threads at once, which the system's allocator makes wait for each other.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
