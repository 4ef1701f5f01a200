//! Guests who turn out to be one are read as one, whichever lanes their rows are folded in; each keeps rows of its own.

pub(crate) mod scene;
mod stale;

use serde_json::{Value, json};

use crate::faults::load::Load;
use crate::lanes::settled::settled;
use scene::{Guest, Scene};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guests_of_two_lanes_are_merged_under_load_and_read_as_one() {
    let scene = Scene::start().await;
    let load = Load::start(&scene.client).await;
    let (survivor, absorbed) = (scene.guest(0, &[1, 5, 9, 13]).await, scene.guest(2, &[2, 5, 11, 17, 3]).await);
    load.until_further(30).await;
    let before = scene.etag(&survivor).await;
    let token = scene.merge(&survivor, &absorbed).await;
    let all = [&survivor, &absorbed];
    let mut hours = vec![1, 5, 9, 13, 2, 5, 11, 17, 3];
    let profile = scene.assert_one(&survivor, &all, &hours, &token).await;
    assert_eq!(profile["version"], 2, "registered, and merged");
    let after = scene.etag(&survivor).await;
    assert_ne!(before, after);
    assert_eq!(after, scene.etag(&absorbed).await, "one profile has one tag");

    // Whoever it is told of, both hear of it.
    for (hour, told_of) in [(20, &absorbed), (21, &survivor), (0, &absorbed)] {
        hours.push(hour);
        let token = scene.record(&told_of.id, hour).await;
        scene.assert_one(&survivor, &all, &hours, &token).await;
    }
    load.until_further(30).await;
    settled(&scene.world, &scene.client, load, &scene.workers).await;
    assert_eq!(scene.findings().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_of_merges_ends_at_the_last_survivor() {
    let scene = Scene::start().await;
    let (first, second) = (scene.guest(3, &[1, 4]).await, scene.guest(1, &[2, 6]).await);
    let (third, aside) = (scene.guest(0, &[3, 5]).await, scene.guest(2, &[7, 8]).await);
    let token = scene.merge(&second, &first).await;
    scene.assert_one(&second, &[&second, &first], &[1, 4, 2, 6], &token).await;
    let token = scene.merge(&third, &second).await;
    scene.assert_one(&third, &[&third, &second, &first], &[1, 4, 2, 6, 3, 5], &token).await;
    // No command merges into a guest who was absorbed; a log that has it all the same is read as it is.
    let token = scene.merge_by_hand("mrg_3", &first, &aside).await;
    scene.assert_one(&third, &[&third, &second, &first, &aside], &[1, 4, 2, 6, 3, 5, 7, 8], &token).await;
    let token = scene.record(&aside.id, 9).await;
    scene.assert_one(&third, &[&third, &second, &first, &aside], &[1, 4, 2, 6, 3, 5, 7, 8, 9], &token).await;
    scene.assert_proved(30).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_is_proved_and_sampled_and_no_other_tenants() {
    let scene = Scene::start().await;
    let theirs = scene.client.of("theirs");
    theirs.provision().await;
    let (survivor, absorbed) = (scene.guest(1, &[1, 3, 5, 7, 9]).await, scene.guest(3, &[2, 4, 6, 8, 10]).await);
    for name in [&survivor.name, &absorbed.name] {
        theirs.register(name).await;
    }
    let record = format!(r#"{{"guest_id":"{}","kind":"of.theirs"}}"#, absorbed.name);
    let token = theirs.accepted("interactions.record", None, &record).await.consistency_token;
    let named = |guest: &Guest| format!("/users/{}", guest.name.replace(' ', "%20"));
    let before = [theirs.read(&named(&survivor), &token).await, theirs.read(&named(&absorbed), &token).await];

    let token = scene.merge(&survivor, &absorbed).await;
    let ours = scene.client.read(&named(&absorbed), &token).await;
    assert_eq!((&ours["guest_id"], &ours["interaction_count"]), (&json!(survivor.id), &json!(10)));
    let after = [theirs.read(&named(&survivor), &token).await, theirs.read(&named(&absorbed), &token).await];
    let without_age = |mut profile: Value| {
        profile["as_of"] = Value::Null;
        profile
    };
    assert_eq!(after.map(without_age), before.map(without_age));
    for id in [&survivor.id, &absorbed.id] {
        assert_eq!(theirs.get(&format!("/users/{id}"), &token).await.1["code"], "guest_not_found");
    }
    // Nearly half of the commits are of the two: a sampler that looks so often has met both.
    scene.assert_proved(40).await;
}
