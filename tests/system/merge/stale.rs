//! A lane that stands still makes reads of a merged guest wait, whichever of the guests the caller names.

use axum::http::{Method, StatusCode};
use serde_json::json;

use super::scene::{Guest, HOLD, PARTITIONS_OF_A_LANE, Scene, TENANT};

impl Scene {
    /// What a caller of little patience hears.
    async fn impatiently(&self, guest: &Guest, token: &str) -> (StatusCode, Option<i64>) {
        let headers = [("X-Tenant-ID", TENANT), ("X-Min-Position", token), ("X-Wait-Ms", "100")];
        let answer = self.client.http(Method::GET, &format!("/users/{}", guest.id), &headers, "").await;
        let body: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
        (answer.status, body["interaction_count"].as_i64())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_of_merged_guests_is_never_older_than_its_token_in_any_of_their_lanes() {
    let scene = Scene::start().await;
    let guests = [(0, scene.guest(0, &[1]).await), (2, scene.guest(2, &[2]).await), (3, scene.guest(3, &[3]).await)];
    let [(_, survivor), (_, middle), (_, first)] = &guests;
    let mut admin = scene.world.database.connect(&scene.world.database.read_admin).await;
    let token = scene.merge(middle, first).await;
    scene.client.read(&format!("/users/{}", first.id), &token).await;
    let behind = (StatusCode::SERVICE_UNAVAILABLE, None);

    // The lane of one of them holds still while they are merged: nobody may hear of less than all three.
    let hold = admin.transaction().await.expect("begins");
    hold.query(HOLD, &[&i16::from(2 * PARTITIONS_OF_A_LANE)]).await.expect("holds");
    let token = scene.merge(survivor, middle).await;
    for (_, guest) in &guests {
        assert_eq!(scene.impatiently(guest, &token).await, behind);
    }
    hold.commit().await.expect("lets go");
    for (_, guest) in &guests {
        let profile = scene.client.read(&format!("/users/{}", guest.id), &token).await;
        assert_eq!((&profile["guest_id"], &profile["interaction_count"]), (&json!(survivor.id), &json!(3)));
    }

    // The same with what one of them does later.
    for (count, (lane, does)) in (4..).zip(&guests) {
        let hold = admin.transaction().await.expect("begins");
        hold.query(HOLD, &[&i16::from(lane * PARTITIONS_OF_A_LANE)]).await.expect("holds");
        let token = scene.record(&does.id, 4).await;
        for (_, guest) in &guests {
            assert_eq!(scene.impatiently(guest, &token).await, behind);
        }
        hold.commit().await.expect("lets go");
        for (_, guest) in &guests {
            let profile = scene.client.read(&format!("/users/{}", guest.id), &token).await;
            assert_eq!(profile["interaction_count"], count);
        }
    }
}
