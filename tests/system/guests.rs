//! What is said of a guest, through every door, and how it is read afterwards.

use axum::http::{Method, StatusCode};
use keepsake_tests::harness::naive::assert_tables_equal;
use keepsake_tests::harness::{Client, InProcess, World, until_folded};
use serde_json::{Value, json};

const JSON: (&str, &str) = ("Content-Type", "application/json");
const PATCH: (&str, &str) = ("Content-Type", "application/merge-patch+json");

struct Scene {
    world: World,
    _services: InProcess,
    client: Client,
}

struct Answer {
    status: StatusCode,
    etag: Option<String>,
    body: Value,
}

impl Scene {
    async fn start() -> Self {
        let world = World::start().await;
        let services = InProcess::start(&world).await;
        let client = Client::new(&world, &services.query.url(), "demo").await;
        client.provision().await;
        Self { world, _services: services, client }
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let headers = [&[("X-Tenant-ID", "demo")], headers].concat();
        let answer = self.client.http(method, path, &headers, body).await;
        let etag = answer.headers.get("etag").and_then(|etag| etag.to_str().ok()).map(ToOwned::to_owned);
        Answer { status: answer.status, etag, body: serde_json::from_slice(&answer.body).expect("JSON") }
    }

    async fn profile(&self, written: &Answer) -> Value {
        self.client.read("/users/ada", written.body["consistency_token"].as_str().expect("a token")).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_known_of_a_guest_changes_bit_by_bit_and_as_a_whole() {
    let scene = Scene::start().await;
    let known = r#"{"identifier":"ada","attributes":{"plan":"gold","visits":9,"spent":29.90,"home":{"city":"Bern","zip":"3000"}}}"#;
    scene.client.accepted("guest.register", None, known).await;

    let patch = r#"{"attributes":{"plan":null,"home":{"zip":"3011"}},"unset":["absent"],"increment":{"visits":1,"spent":0.10}}"#;
    let patched = scene.ask(Method::PATCH, "/api/v1/guests/ada/profile", &[PATCH], patch).await;
    assert_eq!(patched.status, StatusCode::OK, "{}", patched.body);
    assert_eq!(patched.body["events"][0]["type"], "GuestUpdated");
    let profile = scene.profile(&patched).await;
    let expected = r#"{"visits":10,"spent":30.00,"home":{"city":"Bern","zip":"3011"}}"#;
    assert_eq!(profile["attributes"], serde_json::from_str::<Value>(expected).expect("JSON"));
    assert_eq!((&profile["version"], &profile["is_active"]), (&json!(2), &json!(true)));
    assert!(profile["updated_at"].as_str() > profile["registered_at"].as_str(), "{profile}");

    let again = scene.ask(Method::PATCH, "/guests/ada/profile", &[JSON], r#"{"attributes":{"visits":10}}"#).await;
    assert_eq!((again.status, &again.body["events"]), (StatusCode::OK, &json!([])), "nothing had to change");

    let replaced = scene.ask(Method::PUT, "/users/ada", &[JSON], r#"{"attributes":{"plan":"silver"}}"#).await;
    assert_eq!(scene.profile(&replaced).await["attributes"], json!({"plan": "silver"}));
    let timeline = scene.client.read("/guests/ada/timeline?sort=position", "").await;
    let changed: Vec<_> =
        timeline["data"].as_array().expect("a list").iter().map(|e| &e["summary"]["changed"]).collect();
    assert_eq!(
        changed,
        [&Value::Null, &json!(["home", "plan", "spent", "visits"]), &json!(["home", "plan", "spent", "visits"])]
    );
    until_folded(&scene.world, &scene.client).await;
    assert_tables_equal(&scene.world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_who_is_made_inactive_is_read_as_before_and_says_so() {
    let scene = Scene::start().await;
    scene.client.register("ada").await;
    let path = "/api/v1/guests/ada/deactivate";
    let deactivated = scene.ask(Method::POST, path, &[JSON], r#"{"reason":"moved away"}"#).await;
    assert_eq!(deactivated.body["events"][0]["type"], "GuestDeactivated");
    assert_eq!(scene.profile(&deactivated).await["is_active"], false);
    let again = scene.ask(Method::POST, path, &[JSON], "{}").await;
    assert_eq!((again.status, &again.body["events"]), (StatusCode::OK, &json!([])));
    let activated = scene.client.accepted("guest.activate", None, r#"{"guest_id":"ada"}"#).await;
    assert_eq!(scene.client.read("/users/ada", &activated.consistency_token).await["is_active"], true);
    until_folded(&scene.world, &scene.client).await;
    assert_tables_equal(&scene.world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_rests_on_what_its_sender_has_seen() {
    let scene = Scene::start().await;
    scene.client.register("ada").await;
    let first = scene.ask(Method::PATCH, "/guests/ada/profile", &[JSON], r#"{"attributes":{"plan":"gold"}}"#).await;
    let seen = first.etag.expect("a version");
    let with_tag = [JSON, ("If-Match", seen.as_str())];
    let second = scene.ask(Method::PATCH, "/guests/ada/profile", &with_tag, r#"{"increment":{"visits":1}}"#).await;
    assert_eq!(second.status, StatusCode::OK);
    let late = scene.ask(Method::PUT, "/users/ada", &with_tag, r#"{"attributes":{}}"#).await;
    assert_eq!((late.status, &late.body["code"]), (StatusCode::PRECONDITION_FAILED, &json!("version_conflict")));
    let read = scene.profile(&second).await;
    assert_eq!(read["attributes"], json!({"plan": "gold", "visits": 1}), "nothing is lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_that_cannot_be_is_refused_and_changes_nothing() {
    let scene = Scene::start().await;
    let registered =
        scene.client.accepted("guest.register", None, r#"{"identifier":"ada","attributes":{"plan":"gold"}}"#).await;
    let long = format!(r#"{{"attributes":{{"a":"{}"}}}}"#, "x".repeat(33_000));
    let rows = [
        (r#"{"increment":{"plan":1}}"#, 422, "not_a_number"),
        (r#"{"increment":{"visits":"1"}}"#, 422, "validation_failed"),
        (r#"{"increment":{"visits":1e400}}"#, 400, "number_out_of_range"),
        (r#"{"attributes":[]}"#, 422, "validation_failed"),
        (r#"{"attributes":{"a":1,"a":2}}"#, 400, "duplicate_key"),
        (r#"{"plan":"silver"}"#, 422, "unknown_field"),
        (r#"{"guest_id":"bob"}"#, 422, "validation_failed"),
        (long.as_str(), 422, "too_long"),
    ];
    for (body, status, code) in rows {
        let refused = scene.ask(Method::PATCH, "/guests/ada/profile", &[JSON], body).await;
        assert_eq!((refused.status.as_u16(), &refused.body["code"]), (status, &json!(code)), "{body:.60}");
    }
    let nobody = scene.ask(Method::PATCH, "/guests/nobody/profile", &[JSON], "{}").await;
    assert_eq!((nobody.status, &nobody.body["code"]), (StatusCode::NOT_FOUND, &json!("guest_not_found")));
    let other = scene.ask(Method::PUT, "/users/ada", &[PATCH], "{}").await;
    assert_eq!(other.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "only a patch is one");
    let profile = scene.client.read("/users/ada", &registered.consistency_token).await;
    assert_eq!((&profile["attributes"], &profile["version"]), (&json!({"plan": "gold"}), &json!(1)));
}
