//! Read models follow the log: exactly once, through restarts, and again from the first commit.

mod by_hand;
mod controls;
mod load;

use keepsake_tests::harness::{Client, InProcess, World, eventually, naive, rewind, services, until_folded};

const TABLES: [&str; 10] = [
    "tenant",
    "identity",
    "identity_absorbed",
    "identity_identifier",
    "profile",
    "interaction",
    "timeline",
    "topic_guest",
    "topic_summary",
    "command_log",
];

async fn rows(admin: &tokio_postgres::Client) -> Vec<(String, Vec<String>)> {
    let mut tables = Vec::new();
    for table in TABLES {
        let query = format!("SELECT to_json(t)::text FROM read.{table} t ORDER BY 1");
        let rows = admin.query(&query, &[]).await.expect("asks");
        tables.push((table.to_owned(), rows.iter().map(|row| row.get(0)).collect()));
    }
    tables
}

async fn write_some(client: &Client) -> String {
    client.provision().await;
    let twins = [client.register("twin").await.guest_id, client.register("other twin").await.guest_id];
    for twin in &twins {
        let record = format!(r#"{{"guest_id":"{twin}","kind":"product.viewed","topic":"twins"}}"#);
        client.accepted("interactions.record", None, &record).await;
    }
    let merge = format!(r#"{{"guest_id":"{}","absorbed_id":"{}","reason":"twins"}}"#, twins[0], twins[1]);
    client.accepted("guest.merge", None, &merge).await;
    // One who is known by more than one identifier and by one no more, and one who is not taken for it.
    for (command, namespace) in [("link", "email"), ("link", "anonymous_id"), ("unlink", "email")] {
        let body =
            format!(r#"{{"guest_id":"twin","identifier":"twin@example.com","identifier_namespace":"{namespace}"}}"#);
        client.accepted(&format!("guest.{command}"), None, &body).await;
    }
    client.accepted("guest.identify", None, r#"{"user_id":"no twin","anonymous_id":"twin@example.com"}"#).await;
    let mut token = String::new();
    for n in 0..60 {
        let guest = format!("guest-{}", n % 12);
        client.register(&guest).await;
        let record = format!(
            r#"{{"guest_id":"{guest}","kind":"product.viewed","topic":"topic {}","occurred_at":"2026-03-{:02}T00:00:00Z"}}"#,
            n % 5,
            1 + n % 28
        );
        token = client.accepted("interactions.record", None, &record).await.consistency_token;
    }
    token
}

#[tokio::test]
async fn folded_again_from_the_first_commit_the_rows_are_the_same() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    let token = write_some(&client).await;
    client.read("/users/guest-0", &token).await;
    client.read("/api/v1/topics/topic%200/summary", &token).await;
    services.stop().await;

    let admin = world.database.connect(&world.database.read_admin).await;
    let before = rows(&admin).await;
    assert!(before.iter().all(|(table, rows)| !rows.is_empty() || panic!("{table} is empty")));
    rewind::empty(&admin, &schema::read_models().collect::<Vec<_>>()).await;

    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    eventually("the read models are back", async || {
        let summary = client.get("/api/v1/topics/topic%200/summary", &token).await;
        let profile = client.get("/users/guest-0", &token).await;
        (summary.0.is_success() && profile.0.is_success()).then_some(())
    })
    .await;
    assert_eq!(rows(&admin).await, before);
    services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rows_are_what_a_plain_fold_of_the_log_makes_of_it() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    load::provision(&client).await;
    load::send(&client, 0..load::GUESTS / 2, 0..load::TURNS / 2).await;
    until_folded(&world, &client).await;
    services.stop().await;
    // What was sent so far was folded in many batches, the rest is in one.
    let command = services::command(&world).await;
    load::send(&client, load::GUESTS / 2..load::GUESTS, load::TURNS / 2..load::TURNS).await;
    by_hand::append(&world, &client.nats, load::TENANTS[0]).await;
    command.stop().await.expect("stops");

    let services = InProcess::start(&world).await;
    until_folded(&world, &client).await;
    naive::assert_tables_equal(&world).await;
    services.stop().await;
}

#[tokio::test]
async fn a_worker_that_comes_late_catches_up_and_a_second_start_changes_nothing() {
    let world = World::start().await;
    let InProcess { command, projections, query } = InProcess::start(&world).await;
    projections.stop().await.expect("stops");
    let client = Client::new(&world, &query.url(), "demo").await;
    let token = write_some(&client).await;
    assert_eq!(client.get("/users/guest-0", "").await.1["code"], "tenant_unknown", "nothing is folded yet");
    query.stop().await.expect("stops");
    command.stop().await.expect("stops");

    for _ in 0..2 {
        let services = InProcess::start(&world).await;
        let client = Client::new(&world, &services.query.url(), "demo").await;
        let profile = client.read("/users/guest-0", &token).await;
        assert_eq!(profile["interaction_count"], 5);
        services.stop().await;
    }
}

#[tokio::test]
async fn a_read_that_is_ahead_of_its_model_says_so() {
    let world = World::start().await;
    let InProcess { command, projections, query } = InProcess::start(&world).await;
    let client = Client::new(&world, &query.url(), "demo").await;
    client.provision().await;
    let token = client.register("ada").await.consistency_token;
    client.read("/users/ada", &token).await;
    projections.stop().await.expect("stops");
    let token =
        client.accepted("interactions.record", None, r#"{"guest_id":"ada","kind":"a"}"#).await.consistency_token;
    let headers = [("X-Tenant-ID", "demo"), ("X-Min-Position", token.as_str()), ("X-Wait-Ms", "50")];
    let answer = client.http(axum::http::Method::GET, "/users/ada", &headers, "").await;
    assert_eq!(answer.status.as_u16(), 503);
    assert!(answer.headers.contains_key("retry-after"));
    query.stop().await.expect("stops");
    command.stop().await.expect("stops");
}
