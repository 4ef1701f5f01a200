//! Readers of a tenant share snapshots: while one hangs, those who wait for the next are told soon, and nothing of it stays behind.

use std::pin::pin;

use axum::http::{Method, StatusCode};
use keepsake_tests::harness::{Client, InProcess, World, eventually};
use serde_json::{Value, json};

const HOLD_UP: &str = "BEGIN; LOCK TABLE read.profile IN ACCESS EXCLUSIVE MODE";
const HELD_UP: &str = "
SELECT count(*)
FROM pg_stat_activity
WHERE datname = current_database() AND usename = 'keepsake_reader_login' AND wait_event_type = 'Lock'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_snapshot_that_hangs_is_told_before_it_ends_and_the_next_is_read_as_ever() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    let registered = client.register("ada").await;
    client.read("/users/ada", &registered.consistency_token).await;

    let holding = world.database.connect(&world.database.read_admin).await;
    let watching = world.database.connect(&world.database.read_admin).await;
    holding.batch_execute(HOLD_UP).await.expect("locks");
    let read = || client.http(Method::GET, "/users/ada", &[("X-Tenant-ID", "demo")], "");
    let first = read();
    let others = async {
        eventually("the first read is held up", async || {
            (watching.query_one(HELD_UP, &[]).await.expect("asks").get::<_, i64>(0) > 0).then_some(())
        })
        .await;
        futures_util::future::join_all((0..50).map(|_| read())).await
    };
    let (mut first, mut others) = (pin!(first), pin!(others));
    let others = tokio::select! {
        biased;
        _ = &mut first => panic!("whoever waits for a snapshot waits longer than it"),
        others = &mut others => others,
    };
    for answer in others {
        let problem: Value = serde_json::from_slice(&answer.body).expect("a problem");
        assert_eq!((answer.status, &problem["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("overloaded")));
    }
    holding.batch_execute("ROLLBACK").await.expect("lets go");
    assert_eq!(first.await.status, StatusCode::OK);
    for _ in 0..20 {
        assert_eq!(read().await.status, StatusCode::OK);
    }
}
