//! Without its vault a worker can open nothing: that is nobody's fault.

use keepsake_tests::harness::{eventually, services, until_folded};
use tokio_postgres::Client as Postgres;

use super::Scene;
use crate::lanes::settled::verified;

/// Lets nobody into the vault's database any more, or everybody.
async fn open(admin: &Postgres, vault: &str, is_open: bool) {
    let gate = format!("ALTER DATABASE \"{vault}\" WITH ALLOW_CONNECTIONS {is_open}");
    admin.batch_execute(&gate).await.expect("alters");
    if !is_open {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
        admin.query(end, &[&vault]).await.expect("ends");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vault_that_is_away_stops_everybody_and_parks_nobody() {
    let Scene { world, services, client, admin, .. } = Scene::start().await;
    services.projections.stop().await.expect("stops");
    let vault = world.database.vault_admin().rsplit_once('/').expect("a database").1.to_owned();
    open(&admin, &vault, false).await;
    let folded: i64 = admin.query_one("SELECT count(*) FROM read.interaction", &[]).await.expect("asks").get(0);
    // command-service knows this guest's keys by heart.
    client.accepted("interactions.record", None, r#"{"guest_id":"guest-1","kind":"product.viewed"}"#).await;
    let workers = services::workers_with(&world, &[]).await;
    let http = runtime::http_client::HttpClient::new(std::time::Duration::from_secs(5));
    eventually("the worker says what it waits for", async || {
        let answer = http.get(&format!("{}/healthz/ready", workers.url()), &[]).await.ok()?;
        String::from_utf8_lossy(&answer.body).contains("the vault is away").then_some(())
    })
    .await;
    let counts = "SELECT (SELECT count(*) FROM keepsake.parked_guest), (SELECT count(*) FROM read.interaction)";
    let row = admin.query_one(counts, &[]).await.expect("asks");
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (0, folded));
    open(&admin, &vault, true).await;
    until_folded(&world, &client).await;
    let row = admin.query_one(counts, &[]).await.expect("asks");
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (0, folded + 1));
    assert_eq!(verified(&world, None, None).await.findings, []);
    workers.stop().await.expect("stops");
}
