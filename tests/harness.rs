//! A whole Keepsake for one test: its own nats-servers, its own databases on a Postgres shared by the tests of this run.

pub mod client;
pub mod cluster;
#[cfg(feature = "otlp")]
pub mod collector;
pub mod cutter;
pub mod dice;
pub mod events;
pub mod folded;
pub mod history;
pub mod log;
pub mod logins;
pub mod merge;
pub mod naive;
pub mod postgres;
pub mod published;
pub mod raw;
pub mod raw_http;
pub mod rebuild;
pub mod rewind;
pub mod services;
pub mod tap;
pub mod unknown;
pub mod wait;
pub mod workers;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keepsake_cli::dev_issuer::DevIssuer;
use keepsake_cli::migrate::{self, MigrateArgs};
use keepsake_cli::servers::{NatsOptions, Postgres, Tools};
use runtime::config::Secret;
use tempfile::TempDir;

pub use client::Client;
pub use cluster::Cluster;
#[cfg(feature = "otlp")]
pub use collector::{Collector, Recorded};
pub use cutter::Cutter;
pub use dice::Dice;
pub use folded::until_folded;
pub use history::History;
pub use logins::Logins;
pub use postgres::Memory;
pub use published::{Published, until_published};
pub use raw::Raw;
pub use raw_http::{RawAnswer, RawHttp};
pub use rebuild::{rebuild, rebuilding};
pub use rewind::table;
pub use services::{InProcess, Processes, Service};
pub use tap::Tap;
pub use unknown::append_unknown;
pub use wait::{eventually, eventually_within};
pub use workers::Workers;

const LOG_MAX_BYTES: i64 = 4 << 30;

/// The servers of one test, migrated, with no service running yet.
pub struct World {
    pub nats: Cluster,
    pub database: postgres::Databases,
    /// When it is this test's alone.
    pub postgres: Option<Postgres>,
    /// Whose tokens the services take.
    pub issuer: Arc<DevIssuer>,
    folder: TempDir,
    durability: Option<&'static str>,
    /// Of every service, besides what it needs.
    settings: Vec<(String, String)>,
}

impl World {
    /// One nats-server, which writes to disk before it acknowledges.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let nats = Cluster::single(NatsOptions::new(folder.path().join("nats"))).await;
        Self::migrated(nats, Memory::Forgetful, folder, None).await
    }

    /// The same with a Postgres that writes to disk before it says that a transaction is committed.
    pub async fn start_durable() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let nats = Cluster::single(NatsOptions::new(folder.path().join("nats"))).await;
        Self::migrated(nats, Memory::Durable, folder, None).await
    }

    /// Three nats-servers, the log on each of them.
    pub async fn start_replicated() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let nats = Cluster::of_three(&folder.path().join("nats")).await;
        let world = Self::migrated(nats, Memory::Forgetful, folder, None).await;
        let client = world.nats.connect().await;
        world.nats.until_current(&client).await;
        world
    }

    /// One nats-server that acknowledges what is not on disk yet, and services that were told to accept that.
    pub async fn start_relaxed() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let options = NatsOptions { sync_always: false, ..NatsOptions::new(folder.path().join("nats")) };
        let nats = Cluster::single(options).await;
        Self::migrated(nats, Memory::Forgetful, folder, Some("relaxed")).await
    }

    /// One nats-server, and a Postgres that this test may kill.
    pub async fn start_with_its_own_postgres() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let nats = Cluster::single(NatsOptions::new(folder.path().join("nats"))).await;
        let (postgres, databases) = postgres::own(folder.path()).await;
        Self::migrated_on(nats, folder, None, databases, Some(postgres)).await
    }

    async fn migrated(nats: Cluster, memory: Memory, folder: TempDir, durability: Option<&'static str>) -> Self {
        Self::migrated_on(nats, folder, durability, postgres::fresh_on(memory).await, None).await
    }

    async fn migrated_on(
        nats: Cluster,
        folder: TempDir,
        durability: Option<&'static str>,
        database: postgres::Databases,
        postgres: Option<Postgres>,
    ) -> Self {
        let issuer = Arc::new(DevIssuer::open(&folder.path().join("issuer")).expect("an issuer"));
        let world = Self { nats, database, postgres, issuer, folder, durability, settings: unlimited() };
        std::fs::write(world.key_file(), [7; 32]).expect("writes");
        world.migrate().await;
        world
    }

    /// The same with one more setting of every service.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// `keepsake migrate`, once more.
    pub async fn migrate(&self) {
        migrate::run(&self.migration()).await.expect("migrates");
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn key_file(&self) -> PathBuf {
        self.folder().join("kek")
    }

    /// `Authorization` of somebody who may do everything in a tenant.
    pub fn bearer(&self, tenant: &str) -> String {
        client::bearer(&self.issuer, tenant)
    }

    fn migration(&self) -> MigrateArgs {
        let secret = |url: &str| Secret::new(url.to_owned());
        MigrateArgs {
            database_url: secret(&self.database.admin),
            nats: self.nats.of_services().into(),
            writer_url: secret(&self.database.writer),
            reader_url: secret(&self.database.reader),
            command_reader_url: secret(&self.database.command_reader),
            vault_keeper_url: secret(&self.database.vault_keeper),
            vault_opener_url: secret(&self.database.vault_opener),
            vault_lookup_url: secret(&self.database.vault_lookup),
            log_replicas: self.nats.replicas(),
            log_max_bytes: LOG_MAX_BYTES,
            intake_max_bytes: LOG_MAX_BYTES,
            published_max_bytes: LOG_MAX_BYTES,
        }
    }

    /// What a service is started with, besides its address and its peers.
    pub fn environment(&self, service: Service) -> BTreeMap<String, String> {
        let Self { database, .. } = self;
        let (database_url, vault_url) = match service {
            Service::Command => (&database.command_reader, &database.vault_keeper),
            Service::Projections => (&database.writer, &database.vault_opener),
            Service::Query => (&database.reader, &database.vault_lookup),
        };
        let mut environment = BTreeMap::from([
            ("NATS_MONITOR_URL".to_owned(), self.nats.monitor_url()),
            ("KEEPSAKE_DATABASE_URL".to_owned(), database_url.clone()),
            ("KEEPSAKE_VAULT_URL".to_owned(), vault_url.clone()),
            ("KEEPSAKE_KEK_FILE".to_owned(), self.key_file().display().to_string()),
            ("KEEPSAKE_ISSUERS_FILE".to_owned(), self.issuer.issuers_file().display().to_string()),
        ]);
        environment.extend(self.nats.environment());
        environment.extend(self.durability.map(|level| ("KEEPSAKE_DURABILITY".to_owned(), level.to_owned())));
        environment.extend(self.settings.iter().cloned());
        environment
    }
}

/// Tests ask as fast as they can.
fn unlimited() -> Vec<(String, String)> {
    let what = ["TENANT_REQUESTS", "PRINCIPAL_REQUESTS", "GUEST_REQUESTS", "REFUSALS"];
    what.map(|what| (format!("KEEPSAKE_{what}_PER_S"), "1000000".to_owned())).to_vec()
}

/// The built `keepsake`: it stands beside this test's own binary.
pub fn keepsake() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its binary");
    let keepsake = test.ancestors().nth(2).expect("target/<profile>/deps").join("keepsake");
    assert!(keepsake.exists(), "{} is not built: run `make test`, or `cargo build --bins` first", keepsake.display());
    keepsake
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the repository").to_owned()
}

pub fn tools() -> Tools {
    Tools::quiet(keepsake(), repository().join(".run/servers"))
}
