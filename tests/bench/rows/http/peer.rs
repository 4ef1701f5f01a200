//! The service by hand, started on a Postgres of its own that forgets nothing, unlike the one of the tests.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use anyhow::Context as _;
use keepsake_cli::servers::{Postgres, PostgresOptions};
use keepsake_tests::harness::tools;
use tempfile::TempDir;
use tokio::process::Child;
use tokio_postgres::Client;

use crate::by_hand::{DATABASE_URL, Driver, connect};
use crate::child;

const EVENTS: &str = "SELECT count(*) FROM event";

/// Field order is the order in which they end.
pub(super) struct Peer {
    process: Child,
    url: String,
    database: Client,
    _driver: Driver,
    postgres: Postgres,
    _folder: TempDir,
}

impl Peer {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        // Postgres runs under another account when the benchmark runs as root.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        let password = runtime::clock::random_id().simple().to_string();
        let postgres = Postgres::start(&tools(), &PostgresOptions::new(folder.path().to_owned(), password)).await?;
        let mut by_hand = child::command()?;
        by_hand.args(["--by-hand", "writes"]).env(DATABASE_URL, postgres.admin_url());
        let (process, url) = child::start(&mut by_hand).await.context("the service by hand does not start")?;
        let (database, driver) = connect(postgres.admin_url()).await?;
        Ok(Self { process, url, database, _driver: driver, postgres, _folder: folder })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// How many events it has stored.
    pub(super) async fn events(&self) -> anyhow::Result<u64> {
        Ok(self.database.query_one(EVENTS, &[]).await?.try_get::<_, i64>(0)?.cast_unsigned())
    }

    /// Ends it, and waits until nobody writes to its folder any more.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        self.process.kill().await?;
        self.postgres.stop().await;
        Ok(())
    }
}
