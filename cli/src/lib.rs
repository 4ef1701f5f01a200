//! What `keepsake` is made of: one module per subcommand. The test harness starts servers with the same code as `up`.

pub mod api_keys;
pub mod audit;
pub mod commander;
pub mod demo;
pub mod dev_issuer;
pub mod doctor;
pub mod guard;
pub mod import;
pub mod intake;
pub mod json_print;
pub mod lanes;
pub mod migrate;
pub mod nats_args;
pub mod nats_users;
pub mod parked;
pub mod probe;
mod progress;
pub mod rebuild;
pub mod reset;
pub mod send;
pub mod serve;
pub mod servers;
pub mod stop;
pub mod sub;
pub mod token;
pub mod up;
pub mod verify;
