//! The whole system, on servers started privately for these tests: one nats-server and two databases each.

mod appender;
mod bad_input;
mod command_log;
mod compose;
mod concurrency;
mod crash;
mod docs;
mod durability;
mod faults;
mod idempotency;
mod if_match;
mod import;
mod instances;
mod isolation;
mod log_check;
mod lost_keys;
mod path;
mod privacy;
mod projections;
mod races;
mod reproof;
mod snapshots;
mod up;
mod vault;
