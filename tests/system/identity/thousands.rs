//! Two guests with a thousand interactions each become one and two again.

use axum::http::Method;
use futures_util::future::join_all;
use keepsake_tests::harness::log;
use serde_json::{Value, json};

use super::{Scene, last_merge, said};

const INTERACTIONS: usize = 1_000;

async fn lives(scene: &Scene, token: &str) -> Vec<Vec<Value>> {
    join_all(["ada", "adele"].map(async |name| {
        let profile = said(scene.client.read(&format!("/users/{name}"), token).await);
        let mut life = scene.client.pages(&format!("/guests/{name}/interactions?limit=500"), token).await;
        life.push(profile);
        life
    }))
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_of_two_long_lives_is_read_at_once_and_undone_to_what_both_were() {
    let scene = Scene::start().await;
    for (name, attributes) in [("ada", r#"{"plan":"gold"}"#), ("adele", r#"{"plan":"none","city":"Bern"}"#)] {
        let register = format!(r#"{{"identifier":"{name}","attributes":{attributes}}}"#);
        scene.client.accepted("guest.register", None, &register).await;
    }
    let record = async |number: usize| {
        let (name, minute, hour) = (["ada", "adele"][number % 2], number % 60, number / 60 % 24);
        let at = format!("2026-03-{:02}T{hour:02}:{minute:02}:00Z", 1 + number / 1_440);
        let record = format!(r#"{{"guest_id":"{name}","kind":"product.viewed","topic":"jazz","occurred_at":"{at}"}}"#);
        scene.client.accepted("interactions.record", None, &record).await
    };
    for chunk in (0..2 * INTERACTIONS).collect::<Vec<_>>().chunks(100) {
        join_all(chunk.iter().map(|number| record(*number))).await;
    }
    let token = scene.client.register("last").await.consistency_token;
    let before = lives(&scene, &token).await;
    assert_eq!(before.iter().map(Vec::len).collect::<Vec<_>>(), [INTERACTIONS + 1; 2]);
    let log_before = log::read(&scene.client.nats).await;

    let token = scene.done(Method::POST, "/guests/ada/merge", r#"{"absorbed_id":"adele"}"#).await;
    // Whoever waits for it is answered within a second, or is told that it is not there yet.
    let headers = [("X-Tenant-ID", "demo"), ("X-Min-Position", token.as_str()), ("X-Wait-Ms", "1000")];
    let answer = scene.client.http(Method::GET, "/users/adele", &headers, "").await;
    let profile: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(profile["interaction_count"], json!(2 * INTERACTIONS), "{profile}");
    let together = lives(&scene, &token).await;
    assert_eq!(together[0], together[1], "by either name");
    assert_eq!(together[0].len(), 2 * INTERACTIONS + 1);
    assert_eq!(together[0].last().expect("a profile")["attributes"], json!({"plan": "gold", "city": "Bern"}));
    let mut either: Vec<String> =
        before.iter().flat_map(|life| &life[..INTERACTIONS]).map(ToString::to_string).collect();
    let mut all: Vec<String> = together[0][..2 * INTERACTIONS].iter().map(ToString::to_string).collect();
    either.sort_unstable();
    all.sort_unstable();
    assert!(either == all, "every interaction of either, each once");

    let log_after = log::read(&scene.client.nats).await;
    let bytes = |entry: &log::Entry| (entry.position, entry.subject.to_string(), entry.commit.clone());
    let same = log_before.iter().map(bytes).eq(log_after.iter().take(log_before.len()).map(bytes));
    assert!(same && log_after.len() == log_before.len() + 2, "nothing is rewritten, and two commits say it");
    scene.is_proved().await;

    let merge_id = last_merge(&scene).await;
    let token = scene.done(Method::POST, "/guests/adele/unmerge", &format!(r#"{{"merge_id":"{merge_id}"}}"#)).await;
    assert!(lives(&scene, &token).await == before, "both are exactly what they were");
    scene.is_proved().await;
}
