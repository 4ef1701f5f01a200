//! The read database: its tables, its roles, and connections to it.
//!
//! One folder of SQL per read model, `<read_model>/*.sql`, edited freely: the content, with the fold that goes with it, names a
//! version, and `migrate` begins a generation of each version beside what is there. A read model's SQL creates tables without
//! naming a schema, each with a `tenant`, a `pp` and a `position`; row-level security and grants are added here, the same for all.
//! Only what cannot be folded again, `checkpoint/*.sql`, is changed by appending migrations.

mod bootstrap;
pub mod catalog;
mod command_hash;
mod command_log;
mod error;
mod generation;
mod lane;
mod logins;
mod migrate;
mod news;
mod pool;
mod read_model;
mod sources;
mod switch;
mod topic_key;
mod track;
mod version;
mod view;

pub use command_hash::command_hash;
pub use command_log::{CommandLog, Found};
pub use error::SchemaError;
pub use generation::{Generation, State, Version, generations, missing, read_models};
pub use lane::recut;
pub use logins::{Role, create_database, grant_login};
pub use migrate::{Migrated, migrate};
pub use news::{NEWS_CHANNEL, Partitions, listen};
pub use pool::{pool, pool_of_readers};
pub use switch::{Switched, begin, drop_generation, switch, throttle};
pub use topic_key::topic_key;
