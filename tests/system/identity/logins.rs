//! The outcomes of a login: somebody new, one more identifier, a merge, or a conflict that somebody may look at.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Scene, types};

const IDENTIFY: &str = "/api/v1/guests/identify";

async fn identify(scene: &Scene, body: &str) -> Value {
    let (status, reply) = scene.ask(Method::POST, IDENTIFY, body).await;
    assert_eq!(status, StatusCode::OK, "{body}: {reply}");
    reply
}

fn token(reply: &Value) -> &str {
    reply["consistency_token"].as_str().expect("a token")
}

async fn register(scene: &Scene, namespace: &str, value: &str, attributes: &str) -> String {
    let body = format!(r#"{{"identifier":"{value}","namespace":"{namespace}","attributes":{attributes}}}"#);
    scene.client.accepted("guest.register", None, &body).await.guest_id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_nobody_knows_is_registered_and_what_one_id_names_gets_the_other() {
    let scene = Scene::start().await;
    let new = identify(&scene, r#"{"user_id":"ada","anonymous_id":"a-1","attributes":{"plan":"gold"}}"#).await;
    assert_eq!(types(&new), ["GuestRegistered", "IdentifierLinked", "GuestUpdated"]);
    let ada = new["guest_id"].as_str().expect("an id");
    assert_eq!(scene.identifiers(ada, token(&new)).await, ["anonymous_id:a-1", "user_id:ada"]);
    assert_eq!(scene.client.read("/users/ada", token(&new)).await["attributes"], json!({"plan": "gold"}));

    let known = identify(&scene, r#"{"user_id":"ada","anonymous_id":"a-1"}"#).await;
    assert_eq!((types(&known).len(), &known["guest_id"]), (0, &json!(ada)));
    let device = r#"{"user_id":"ada","anonymous_id":"d-1","anonymous_namespace":"device_id"}"#;
    let attached = identify(&scene, device).await;
    assert_eq!((types(&attached), &attached["guest_id"]), (vec!["IdentifierLinked"], &json!(ada)));

    let anonymous = register(&scene, "anonymous_id", "a-2", r#"{"seen":"jazz"}"#).await;
    let named = identify(&scene, r#"{"user_id":"bob","anonymous_id":"a-2","attributes":{"plan":"silver"}}"#).await;
    assert_eq!((types(&named), &named["guest_id"]), (vec!["IdentifierLinked", "GuestUpdated"], &json!(anonymous)));
    let bob = scene.client.read("/users/bob", token(&named)).await;
    assert_eq!((&bob["guest_id"], &bob["attributes"]), (&json!(anonymous), &json!({"seen": "jazz", "plan": "silver"})));
    let alone = identify(&scene, r#"{"user_id":"carl"}"#).await;
    assert_eq!(types(&alone), ["GuestRegistered"]);
    assert_eq!(scene.conflicts(token(&alone)).await, Vec::<Value>::new());
    scene.is_proved().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_anonymous_guest_becomes_part_of_the_user_once_however_often_the_login_is_told() {
    let scene = Scene::start().await;
    let ada = register(&scene, "user_id", "ada", r#"{"plan":"gold"}"#).await;
    let anonymous = register(&scene, "anonymous_id", "a-1", r#"{"plan":"none","seen":"jazz"}"#).await;
    for guest in [&ada, &anonymous, &anonymous] {
        let record = format!(r#"{{"guest_id":"{guest}","kind":"product.viewed"}}"#);
        scene.client.accepted("interactions.record", None, &record).await;
    }
    let body = r#"{"user_id":"ada","anonymous_id":"a-1"}"#;
    let (_, merged) = scene.ask_as(Method::POST, IDENTIFY, &[("Idempotency-Key", "login-1")], body).await;
    assert_eq!((types(&merged), &merged["guest_id"]), (vec!["GuestMerged"], &json!(ada)));
    for name in ["ada", "a-1?namespace=anonymous_id", &anonymous] {
        let profile = scene.client.read(&format!("/users/{name}"), token(&merged)).await;
        assert_eq!((&profile["guest_id"], &profile["interaction_count"]), (&json!(ada), &json!(3)), "{name}");
        assert_eq!(profile["attributes"], json!({"plan": "gold", "seen": "jazz"}), "{name}");
    }
    let (_, again) = scene.ask_as(Method::POST, IDENTIFY, &[("Idempotency-Key", "login-1")], body).await;
    assert_eq!((&again["replayed"], &again["events"]), (&json!(true), &merged["events"]));
    assert_eq!(again["consistency_token"], merged["consistency_token"]);
    assert_eq!(types(&identify(&scene, body).await), Vec::<&str>::new());
    // The same browser, a further anonymous id: of the one that was merged nothing is asked again.
    let further = identify(&scene, r#"{"user_id":"ada","anonymous_id":"a-2"}"#).await;
    assert_eq!(types(&further), ["IdentifierLinked"]);
    scene.is_proved().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_are_identified_stay_two_and_the_conflict_is_listed() {
    let scene = Scene::start().await;
    let ada = register(&scene, "user_id", "ada", "{}").await;
    let bob = identify(&scene, r#"{"user_id":"bob","anonymous_id":"shared"}"#).await;
    let refused = identify(&scene, r#"{"user_id":"ada","anonymous_id":"shared","attributes":{"plan":"gold"}}"#).await;
    assert_eq!(
        (types(&refused), &refused["guest_id"]),
        (vec!["IdentityConflictDetected", "GuestUpdated"], &json!(ada))
    );
    assert_eq!(types(&identify(&scene, r#"{"user_id":"ada","anonymous_id":"shared"}"#).await), Vec::<&str>::new());
    // Whoever logs in there next and is known to nobody is not bob, either.
    let carl = identify(&scene, r#"{"user_id":"carl","anonymous_id":"shared"}"#).await;
    assert_eq!(types(&carl), ["GuestRegistered", "IdentityConflictDetected"]);
    let listed = scene.conflicts(token(&carl)).await;
    let of = |conflict: &Value| [&conflict["guest_id"], &conflict["other_id"], &conflict["reason"]].map(Clone::clone);
    let reason = json!("both_identified");
    let expected = [
        [carl["guest_id"].clone(), bob["guest_id"].clone(), reason.clone()],
        [json!(ada), bob["guest_id"].clone(), reason],
    ];
    assert_eq!(listed.iter().map(of).collect::<Vec<_>>(), expected);
    let shared = scene.who("shared?namespace=anonymous_id", token(&carl)).await;
    assert_eq!(shared.as_deref(), bob["guest_id"].as_str());
    // Another tenant sees nothing of it.
    let theirs = scene.client.of("theirs");
    let provisioned = theirs.provision().await.consistency_token;
    assert_eq!(theirs.pages("/identity/conflicts?limit=9", &provisioned).await, Vec::<Value>::new());
    scene.is_proved().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_names_nobody_is_refused() {
    let scene = Scene::start().await;
    for (body, code) in [
        ("{}", "invalid_identifier"),
        (r#"{"user_id":"null"}"#, "blocked_identifier"),
        (r#"{"user_id":"ada","anonymous_id":"undefined"}"#, "blocked_identifier"),
        (r#"{"user_id":"ada","attributes":[]}"#, "validation_failed"),
        (r#"{"userId":"ada"}"#, "unknown_field"),
    ] {
        let refused = scene.refused(Method::POST, IDENTIFY, body).await;
        assert_eq!(refused, (StatusCode::UNPROCESSABLE_ENTITY, code.to_owned()), "{body}");
    }
}
