//! Guests are merged and unmerged by command: what is said of one of them is said of all, and each is what it was afterwards.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Scene, last_merge, said, types};

async fn register(scene: &Scene, name: &str, attributes: &str) -> String {
    let body = format!(r#"{{"identifier":"{name}","attributes":{attributes}}}"#);
    scene.client.accepted("guest.register", None, &body).await.guest_id
}

/// Merges the second into the first; answers the merge's id and its token.
async fn merge(scene: &Scene, survivor: &str, absorbed: &str) -> (String, String) {
    let path = format!("/api/v1/guests/{survivor}/merge");
    let token = scene.done(Method::POST, &path, &format!(r#"{{"absorbed_id":"{absorbed}"}}"#)).await;
    (last_merge(scene).await, token)
}

fn unmerge(merge_id: &str) -> String {
    format!(r#"{{"merge_id":"{merge_id}","reason":"two people after all"}}"#)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_of_a_merged_guest_is_said_of_the_whole_until_they_are_apart() {
    let scene = Scene::start().await;
    let ada = register(&scene, "ada", r#"{"plan":"gold","city":"Bern"}"#).await;
    let adele = register(&scene, "adele", r#"{"plan":"silver","phone":"+41"}"#).await;
    let token = scene.client.register("last").await.consistency_token;
    let adele_before = said(scene.client.read("/users/adele", &token).await);
    let path = "/guests/ada/merge";
    let preferred = r#"{"absorbed_id":"adele","prefer_absorbed":["plan"],"reason":"she called"}"#;
    let token = scene.done(Method::POST, path, preferred).await;
    let merge_id = last_merge(&scene).await;
    let profile = scene.client.read("/users/adele", &token).await;
    assert_eq!(profile["guest_id"], json!(ada));
    assert_eq!(profile["attributes"], json!({"plan": "silver", "city": "Bern", "phone": "+41"}));

    // By whichever name: the survivor is the one who is changed.
    let changes = r#"{"attributes":{"city":"Basel","phone":null}}"#;
    let (_, patched) = scene.ask(Method::PATCH, "/guests/adele/profile", changes).await;
    assert_eq!((types(&patched), &patched["guest_id"]), (vec!["GuestUpdated"], &json!(ada)));
    let token = scene.done(Method::POST, "/guests/adele/deactivate", r#"{"reason":"moved"}"#).await;
    let profile = scene.client.read("/users/ada", &token).await;
    assert_eq!(
        (&profile["attributes"], &profile["is_active"]),
        (&json!({"plan": "silver", "city": "Basel"}), &json!(false))
    );
    scene.done(Method::POST, "/guests/adele/activate", "{}").await;
    let linked = r#"{"identifier":"ada@example.com","identifier_namespace":"email"}"#;
    scene.done(Method::POST, "/guests/adele/identifiers", linked).await;
    // An identifier is taken away from the guest whose it is.
    let (_, nothing) = scene.ask(Method::DELETE, "/guests/ada/identifiers/user_id/adele", "").await;
    assert_eq!(nothing["events"], json!([]));
    let token = scene.done(Method::DELETE, &format!("/guests/{adele}/identifiers/user_id/adele"), "").await;
    assert_eq!(scene.identifiers("ada", &token).await, ["email:ada@example.com", "user_id:ada"]);
    let relink = format!(r#"{{"guest_id":"{adele}","identifier":"adele"}}"#);
    assert_eq!(
        scene.client.refused("guest.link", None, &relink).await,
        "too_many_identifiers",
        "the whole has a user id"
    );
    // What it did stays its own, under its own name.
    let record = format!(r#"{{"guest_id":"{adele}","kind":"product.viewed"}}"#);
    assert_eq!(scene.client.accepted("interactions.record", None, &record).await.guest_id, adele);

    let token = scene.done(Method::POST, &format!("/guests/{adele}/unmerge"), &unmerge(&merge_id)).await;
    let apart = scene.client.read(&format!("/users/{adele}"), &token).await;
    assert_eq!((&apart["guest_id"], &apart["attributes"]), (&json!(adele), &adele_before["attributes"]));
    assert_eq!((&apart["interaction_count"], &apart["identifiers"]), (&json!(1), &json!([])));
    let ada_now = scene.client.read("/users/ada", &token).await;
    assert_eq!(ada_now["attributes"], json!({"plan": "gold", "city": "Basel"}), "with what was said since");
    assert_eq!(ada_now["interaction_count"], json!(0));
    scene.is_proved().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_is_sent_again_is_the_same_one_whoever_was_merged_or_restored_since() {
    let scene = Scene::start().await;
    let ada = register(&scene, "ada", "{}").await;
    let adele = register(&scene, "adele", "{}").await;
    let send = async |id: &str| {
        let body = r#"{"guest_id":"adele","increment":{"visits":1}}"#;
        scene.client.accepted("guest.update", Some(id), body).await
    };
    let alone = send("alone").await;
    assert_eq!((alone.guest_id.as_str(), alone.replayed), (adele.as_str(), false));
    let (merge_id, _) = merge(&scene, "ada", "adele").await;
    let merged = send("merged").await;
    assert_eq!((merged.guest_id.as_str(), merged.replayed), (ada.as_str(), false));
    let again = send("alone").await;
    assert_eq!((again.position, again.replayed), (alone.position, true), "before the merge");
    scene.done(Method::POST, "/guests/ada/unmerge", &unmerge(&merge_id)).await;
    let apart = send("apart").await;
    assert_eq!((apart.guest_id.as_str(), apart.replayed), (adele.as_str(), false));
    for (id, first) in [("alone", &alone), ("merged", &merged), ("apart", &apart)] {
        let again = send(id).await;
        assert_eq!((again.position, again.replayed), (first.position, true), "{id}");
    }
    let visits = async |name: &str| {
        scene.client.read(&format!("/users/{name}"), &apart.consistency_token).await["attributes"].clone()
    };
    // The first visit was adele's, and counted for both together; the second was said of the whole and stays with the survivor.
    assert_eq!((visits("ada").await, visits("adele").await), (json!({"visits": 2}), json!({"visits": 2})));
    scene.is_proved().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn merges_are_undone_in_any_order_and_only_where_they_can_be() {
    let scene = Scene::start().await;
    let names = ["ada", "adele", "adina", "other"];
    for (name, attributes) in names.iter().zip([r#"{"a":1}"#, r#"{"x":1,"y":1}"#, r#"{"x":2,"z":2}"#, "{}"]) {
        register(&scene, name, attributes).await;
    }
    let read = async |name: &str, token: &str| said(scene.client.read(&format!("/users/{name}"), token).await);
    let token = scene.client.register("last").await.consistency_token;
    let before = [read("ada", &token).await, read("adele", &token).await, read("adina", &token).await];
    let (first, _) = merge(&scene, "ada", "adele").await;
    let (second, _) = merge(&scene, "ada", "adina").await;
    let (third, token) = merge(&scene, "other", "adele").await;
    let all = read("adina", &token).await;
    assert_eq!(all["attributes"], json!({"a": 1, "x": 1, "y": 1, "z": 2}));

    for (path, body, expected) in [
        ("/guests/ada/merge", r#"{"absorbed_id":"ada"}"#, "merged_with_itself"),
        ("/guests/ada/merge", r#"{"absorbed_id":"nobody"}"#, "guest_not_found"),
        ("/guests/nobody/merge", r#"{"absorbed_id":"ada"}"#, "guest_not_found"),
        ("/guests/ada/merge", r#"{"absorbed_id":"null"}"#, "blocked_identifier"),
        ("/guests/ada/unmerge", r#"{"merge_id":"mrg_0"}"#, "merge_not_found"),
        ("/guests/adele/unmerge", &unmerge(&first), "merged_further"),
    ] {
        assert_eq!(scene.refused(Method::POST, path, body).await.1, expected, "{path} {body}");
    }
    let (status, none) = scene.ask(Method::POST, "/guests/adina/merge", r#"{"absorbed_id":"other"}"#).await;
    assert_eq!((status, &none["events"]), (StatusCode::OK, &json!([])), "they are one already");

    scene.done(Method::POST, "/guests/other/unmerge", &unmerge(&third)).await;
    let token = scene.done(Method::POST, "/guests/adele/unmerge", &unmerge(&first)).await;
    assert_eq!(read("adele", &token).await, before[1]);
    assert_eq!(read("ada", &token).await["attributes"], json!({"a": 1, "x": 2, "z": 2}));
    let again = scene.refused(Method::POST, "/guests/ada/unmerge", &unmerge(&first)).await;
    assert_eq!(again, (StatusCode::NOT_FOUND, "merge_not_found".to_owned()));
    let token = scene.done(Method::POST, "/guests/adina/unmerge", &unmerge(&second)).await;
    for (name, before) in names.iter().zip(&before) {
        assert_eq!(read(name, &token).await, *before, "{name}");
    }
    let timeline = scene.client.pages("/guests/adele/timeline?sort=position", &token).await;
    let types: Vec<&Value> = timeline.iter().map(|event| &event["type"]).collect();
    assert_eq!(types, ["GuestRegistered", "GuestAbsorbed", "GuestRestored"]);
    let merged_again = merge(&scene, "adele", "ada").await;
    assert_eq!(read("ada", &merged_again.1).await["guest_id"], read("adele", &merged_again.1).await["guest_id"]);
    scene.is_proved().await;
}
