//! Where everything answers, for the demo and for `.run/env`.

use std::path::PathBuf;

use event_log::NatsAddress;

/// The tenant the demo works in.
pub(super) const DEMO_TENANT: &str = "demo";
/// A working day, and more.
pub(super) const TOKEN_SECONDS: i64 = 86_400;

#[derive(Clone, Debug)]
pub struct Endpoints {
    /// The one origin, for reads and writes.
    pub url: String,
    pub command_url: String,
    pub query_url: String,
    pub workers_url: String,
    pub nats: NatsAddress,
    /// Absent when the NATS server is somebody else's.
    pub nats_monitor_url: Option<String>,
    /// The superuser's way into the read models.
    pub database_url: String,
    /// What the projection workers work with, and whoever checks their work.
    pub worker_database_url: String,
    pub worker_vault_url: String,
    pub kek_file: PathBuf,
    pub tenant: String,
    /// Of somebody who may do everything in it.
    pub token: String,
    /// Where `keepsake token` finds who signs others.
    pub issuer_dir: PathBuf,
}
