//! The read database: its tables, its roles, and connections to it.
//!
//! One folder of SQL per read model, `<read_model>/*.sql`, edited freely: the content names the version, and a read model that
//! was built from another version is dropped, made anew and folded again from the log's start. Only what cannot be folded
//! again, `checkpoint/*.sql`, is changed by appending migrations. A read model's SQL creates tables in schema `read`, each with
//! a `tenant`, a `pp` and a `position`; row-level security and grants are added here, the same for all.

mod bootstrap;
pub mod catalog;
mod command_hash;
mod command_log;
mod error;
mod lane;
mod logins;
mod migrate;
mod pool;
mod read_model;
mod sources;
mod topic_key;

pub use command_hash::command_hash;
pub use command_log::{CommandLog, Found};
pub use error::SchemaError;
pub use lane::recut;
pub use logins::{Role, create_database, grant_login};
pub use migrate::{Migrated, migrate};
pub use pool::pool;
pub use read_model::{outdated, read_models};
pub use topic_key::topic_key;
