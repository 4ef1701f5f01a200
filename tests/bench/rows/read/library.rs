//! Folded read models and the query service that reads them, with the service by hand beside it on the same Postgres.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use runtime::http_client::HttpClient;
use serde_json::Value;
use tokio::process::Child;
use tokio_postgres::Client;

use crate::by_hand::DATABASE_URL;
use crate::by_hand::reads::TABLE;
use crate::child;
use crate::contestant::command::TENANT;
use crate::deed::Deed;
use crate::folding::Folding;
use crate::progress::Progress;

/// Each with one interaction, but one.
pub(super) const GUESTS: usize = 10_000;
/// Interactions of the busiest before the page that is measured.
pub(super) const DEPTH: usize = 10_000;
const PAGE: usize = 500;
const PROFILES: &str =
    "SELECT guest_id, version, position FROM read.profile WHERE interaction_count = 1 ORDER BY guest_id";
const BUSIEST: &str = "SELECT guest_id FROM read.profile ORDER BY interaction_count DESC LIMIT 1";
const TABLES: [&str; 5] = ["tenant", "identity", "identity_absorbed", "identity_identifier", "profile"];
const LIVE: &str = "SELECT schema_name, tables FROM keepsake.generation WHERE state = 'live'";
/// Nobody is asked to wait.
const NO_LIMITS: [(&str, &str); 2] =
    [("KEEPSAKE_TENANT_REQUESTS_PER_S", "10000000"), ("KEEPSAKE_PRINCIPAL_REQUESTS_PER_S", "10000000")];
const NO_TOKENS: (&str, &str) = ("KEEPSAKE_AUTH", "off");

/// Field order is the order in which they end.
pub(super) struct Library {
    by_hand: (Child, String),
    admin: Client,
    folding: Folding,
    url: String,
    pub(super) bearer: String,
    guests: Vec<String>,
    /// Of each guest, its entity tag.
    pub(super) tags: Vec<String>,
    pub(super) busiest: String,
    /// Of the page in the depth.
    pub(super) deep: String,
    /// Of freshness.
    pub(super) token: String,
}

impl Library {
    /// Fills the read models and opens.
    pub(super) async fn open(progress: &Progress) -> anyhow::Result<Self> {
        let mut folding = Folding::start().await?;
        folding.register(GUESTS + 1, progress).await?;
        let once_each = (1..=GUESTS).map(|guest| Deed::by(guest, guest));
        folding.record_these(once_each.collect(), progress).await?;
        let busiest = (0..DEPTH + PAGE).map(|number| Deed::by(0, number));
        folding.record_these(busiest.collect(), progress).await?;
        folding.catch_up(progress).await?;
        folding.tidy().await?;
        let admin = folding.site.read_admin().await;
        admin.batch_execute(TABLE).await?;
        let by_hand = reader_by_hand(folding.site.read_admin_url()).await?;
        let (bearer, mut guests, mut tags) = (folding.site.bearer(), Vec::new(), Vec::new());
        for row in admin.query(PROFILES, &[]).await? {
            guests.push(row.try_get(0)?);
            tags.push(format!("\"v{}-{}\"", row.try_get::<_, i64>(1)?, row.try_get::<_, i64>(2)?));
        }
        ensure!(guests.len() == GUESTS, "{} guests have one interaction", guests.len());
        let busiest = admin.query_one(BUSIEST, &[]).await?.try_get(0)?;
        let token = format!("0.{}", folding.site.last_position().await?);
        let (url, deep) = (String::new(), String::new());
        let mut library = Self { by_hand, admin, folding, url, bearer, guests, tags, busiest, deep, token };
        library.serve().await;
        library.deep = library.walk().await?;
        Ok(library)
    }

    /// Where query-service is.
    pub(super) fn url(&self) -> String {
        self.url.clone()
    }

    pub(super) fn by_hand_url(&self) -> &str {
        &self.by_hand.1
    }

    /// The paths of everybody's profile.
    pub(super) fn profiles(&self) -> impl Iterator<Item = String> {
        self.guests.iter().map(|guest| format!("/api/v1/guests/{guest}/profile"))
    }

    pub(super) async fn serve(&mut self) {
        self.serve_with(&[]).await;
    }

    pub(super) async fn serve_without_tokens(&mut self) {
        self.serve_with(&[NO_TOKENS]).await;
    }

    async fn serve_with(&mut self, settings: &[(&str, &str)]) {
        let settings: Vec<_> = NO_LIMITS.iter().chain(settings).copied().collect();
        if !self.url.is_empty() {
            self.folding.site.stop_query_service().await;
        }
        self.url = format!("http://{}", self.folding.site.start_query_service_with(&settings).await);
    }

    /// Switches the policies of the tables that profiles are read from on or off.
    pub(super) async fn row_security(&self, on: bool) -> anyhow::Result<()> {
        let switch = if on { "ENABLE" } else { "DISABLE" };
        for live in self.admin.query(LIVE, &[]).await? {
            let (schema, tables): (String, Vec<String>) = (live.try_get(0)?, live.try_get(1)?);
            for table in tables.iter().filter(|table| TABLES.contains(&table.as_str())) {
                self.admin.batch_execute(&format!("ALTER TABLE {schema}.{table} {switch} ROW LEVEL SECURITY")).await?;
            }
        }
        Ok(())
    }

    /// The cursor after so many interactions of the busiest.
    async fn walk(&self) -> anyhow::Result<String> {
        let http = HttpClient::new(Duration::from_secs(20));
        let headers = [("Authorization", self.bearer.as_str()), ("X-Tenant-ID", TENANT)];
        let mut cursor = String::new();
        for _ in 0..DEPTH / PAGE {
            let url = format!("{}/api/v1/guests/{}/interactions?limit={PAGE}{cursor}", self.url, self.busiest);
            let page: Value = serde_json::from_slice(&http.get(&url, &headers).await?.body)?;
            let next = page["cursor"]["next"].as_str().with_context(|| format!("no further page: {page}"))?;
            cursor = format!("&cursor={next}");
        }
        Ok(cursor)
    }
}

async fn reader_by_hand(database_url: &str) -> anyhow::Result<(Child, String)> {
    let mut by_hand = child::command()?;
    by_hand.args(["--by-hand", "reads"]).env(DATABASE_URL, database_url);
    child::start(&mut by_hand).await.context("the service by hand does not start")
}
