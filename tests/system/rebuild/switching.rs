//! What a switch must wait for, and what a read must hold on to meanwhile.

use axum::http::{Method, StatusCode};
use keepsake_tests::harness::{eventually, rebuild, table, until_folded};
use proto::token;

use super::Scene;

/// Whoever holds these rows holds the generation back that is not read, and no other.
const HOLD: &str = "
SELECT FROM keepsake.lane
WHERE track = (SELECT track FROM keepsake.generation WHERE projection = 'profile' AND state = 'former')
FOR UPDATE";

/// Reads of this database that wait for a table.
const HELD_UP: &str = "
SELECT count(*) FROM pg_locks
WHERE NOT granted AND mode = 'AccessShareLock' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_generation_that_is_behind_what_is_served_is_not_switched_to() {
    let scene = Scene::start().await;
    scene.rebuilt(&["profile"]).await;
    let mut admin = scene.world.database.connect(&scene.world.database.read_admin).await;
    let held = admin.transaction().await.expect("begins");
    held.query(HOLD, &[]).await.expect("holds");
    scene.everybody().await;
    until_folded(&scene.world, &scene.client).await;
    let (code, said) = rebuild(&scene.world, &["profile", "rollback", "--wait", "3"]).await;
    assert!(code == Some(1) && said.contains("commits behind what is read"), "{said}");
    held.rollback().await.expect("lets go");
    scene.rebuilt(&["profile", "rollback"]).await;
    scene.is_proved().await;
}

/// The read is held up between its first and its last look at the database, and another generation becomes live meanwhile, one that
/// was behind when the read began.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_began_before_a_switch_is_as_new_as_it_says() {
    let scene = Scene::start().await;
    scene.rebuilt(&["profile"]).await;
    let database = &scene.world.database;
    let mut holding_back = database.connect(&database.read_admin).await;
    let mut holding_up = database.connect(&database.read_admin).await;
    let mut switching = database.connect(&database.read_admin).await;

    let back = holding_back.transaction().await.expect("begins");
    back.query(HOLD, &[]).await.expect("holds");
    let last = scene.record(0).await;
    until_folded(&scene.world, &scene.client).await;
    let path = format!("/api/v1/guests/{}/profile", scene.guests[0]);
    // On every connection there is: a statement that is not prepared yet would be held up before the read has a snapshot.
    for _ in 0..20 {
        assert_eq!(scene.client.http(Method::GET, &path, &[("X-Tenant-ID", "demo")], "").await.status, StatusCode::OK);
    }
    let up = holding_up.transaction().await.expect("begins");
    let identity = table(&scene.admin, "identity").await;
    up.batch_execute(&format!("LOCK TABLE {identity} IN ACCESS EXCLUSIVE MODE")).await.expect("locks");

    let token = token::write(last);
    let headers = [("X-Tenant-ID", "demo"), ("X-Min-Position", token.as_str())];
    let read = scene.client.http(Method::GET, &path, &headers, "");
    let switch = async {
        eventually("the read is held up", async || {
            (scene.admin.query_one(HELD_UP, &[]).await.expect("asks").get::<_, i64>(0) > 0).then_some(())
        })
        .await;
        back.rollback().await.expect("lets go");
        let former = scene.generations("profile").await.into_iter().find(|(_, state)| state == "former");
        let (former, _) = former.expect("there is one");
        eventually("it is switched", async || {
            let switched = schema::switch(&mut switching, former, projection_workers::versions()).await;
            (switched.expect("asks") == schema::Switched::Done).then_some(())
        })
        .await;
        up.rollback().await.expect("lets go");
    };
    let (answer, ()) = tokio::join!(read, switch);
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    let body: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(body["interaction_count"], 4, "{body}");
}
