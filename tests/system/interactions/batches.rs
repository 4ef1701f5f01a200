//! Many at once: each is recorded or refused by itself, once, and says so.

use axum::http::{Method, StatusCode};
use keepsake_cli::dev_issuer::{Bearer, Grant};
use keepsake_tests::harness::naive::assert_tables_equal;
use keepsake_tests::harness::{Client, InProcess, World, until_folded};
use runtime::auth::Role;
use serde_json::{Value, json};

const EVENTS: &str = "/api/v1/events";
const BATCH: &str = "/guests/ada/interactions/batch";

struct Scene {
    world: World,
    _services: InProcess,
    client: Client,
}

impl Scene {
    async fn start() -> Self {
        let world = World::start().await;
        let services = InProcess::start(&world).await;
        let client = Client::new(&world, &services.query.url(), "demo").await;
        client.provision().await;
        for name in ["ada", "bob"] {
            client.register(name).await;
        }
        Self { world, _services: services, client }
    }

    async fn send(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> (StatusCode, Value) {
        send(&self.client, path, headers, body).await
    }
}

async fn send(client: &Client, path: &str, headers: &[(&str, &str)], body: &Value) -> (StatusCode, Value) {
    let fixed = [("X-Tenant-ID", "demo"), ("Content-Type", "application/json")];
    let answer = client.http(Method::POST, path, &[&fixed, headers].concat(), &body.to_string()).await;
    (answer.status, serde_json::from_slice(&answer.body).expect("JSON"))
}

fn event(user: &str, name: &str, id: &str) -> Value {
    json!({"userId": user, "event": name, "timestamp": "2026-03-01T10:00:00Z", "messageId": id})
}

fn counts(verdicts: &Value) -> [u64; 4] {
    ["accepted", "duplicate", "rejected", "failed"].map(|count| verdicts[count].as_u64().expect("a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_a_batch_is_recorded_or_refused_by_itself_and_once() {
    let scene = Scene::start().await;
    let batch = json!({"events": [
        event("ada", "page.viewed", "m-0"),
        event("nobody", "page.viewed", "m-1"),
        event("bob", "page.viewed", "m-2"),
        event("ada", "No Kind", "m-3"),
        {"userId": "ada", "event": "page.viewed", "messageId": "m-4"},
        {"userId": "ada", "event": "page.viewed", "colour": "red"},
        "nothing",
        event("null", "page.viewed", "m-7"),
    ]});
    let (status, verdicts) = scene.send(EVENTS, &[], &batch).await;
    assert_eq!((status, counts(&verdicts)), (StatusCode::MULTI_STATUS, [2, 0, 6, 0]), "{verdicts}");
    let items: Vec<_> = verdicts["items"].as_array().expect("a list").iter().collect();
    let told = items.iter().map(|item| (item["index"].as_u64().expect("a place"), item["problem"]["code"].as_str()));
    let expected = [
        (1, Some("guest_not_found")),
        (3, Some("validation_failed")),
        (4, Some("event_time_required")),
        (5, Some("unknown_field")),
        (6, Some("validation_failed")),
        (7, Some("blocked_identifier")),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    assert_eq!((&items[0]["id"], &items[0]["status"]), (&json!("m-1"), &json!("rejected")));
    let token = verdicts["consistency_token"].as_str().expect("a token");
    for guest in ["ada", "bob"] {
        let listed = scene.client.read(&format!("/guests/{guest}/interactions"), token).await;
        assert_eq!(listed["data"].as_array().map(Vec::len), Some(1), "{guest}: {listed}");
    }
    // What was refused may be corrected, and what was recorded counts once.
    scene.client.register("nobody").await;
    let (status, again) = scene.send(EVENTS, &[], &batch).await;
    assert_eq!((status, counts(&again)), (StatusCode::MULTI_STATUS, [1, 2, 5, 0]), "{again}");
    until_folded(&scene.world, &scene.client).await;
    assert_tables_equal(&scene.world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_guest_did_is_recorded_in_its_order_under_ids_of_the_batch() {
    const MANY: usize = 500;
    let scene = Scene::start().await;
    let items: Vec<_> = (0..MANY).map(|number| json!({"kind": format!("step.s{number}")})).collect();
    let batch = json!({"interactions": items});
    let key = [("Idempotency-Key", "batch-1")];
    let (status, verdicts) = scene.send(BATCH, &key, &batch).await;
    assert_eq!((status, counts(&verdicts)), (StatusCode::OK, [MANY as u64, 0, 0, 0]), "{verdicts}");
    let (status, again) = scene.send(BATCH, &key, &batch).await;
    assert_eq!((status, counts(&again)), (StatusCode::OK, [0, MANY as u64, 0, 0]), "{again}");
    assert_eq!(again["consistency_token"], verdicts["consistency_token"]);
    let token = verdicts["consistency_token"].as_str().expect("a token");
    let path = "/guests/ada/timeline?type=InteractionRecorded&sort=position&limit=500";
    let life = scene.client.pages(path, token).await;
    let kinds: Vec<_> = life.iter().map(|event| event["summary"]["kind"].as_str().expect("a kind")).collect();
    assert_eq!(kinds, (0..MANY).map(|number| format!("step.s{number}")).collect::<Vec<_>>());
    // The same number of the same batch with something else in it is another command.
    let other = json!({"interactions": [{"kind": "step.other"}]});
    let (status, refused) = scene.send(BATCH, &key, &other).await;
    let code = &refused["items"][0]["problem"]["code"];
    assert_eq!((status, code), (StatusCode::MULTI_STATUS, &json!("idempotency_key_reused")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_cannot_be_read_is_refused_as_a_whole_and_a_guest_records_its_own_alone() {
    let scene = Scene::start().await;
    let many: Vec<_> = (0..1_001).map(|_| json!({"kind": "a.b"})).collect();
    for (path, headers, body, expected) in [
        (BATCH, &[][..], json!({"interactions": []}), (StatusCode::UNPROCESSABLE_ENTITY, "validation_failed")),
        (BATCH, &[], json!({"interactions": many}), (StatusCode::UNPROCESSABLE_ENTITY, "too_many_items")),
        (BATCH, &[], json!({"interactions": {"kind": "a.b"}}), (StatusCode::UNPROCESSABLE_ENTITY, "validation_failed")),
        (BATCH, &[], json!({"items": []}), (StatusCode::UNPROCESSABLE_ENTITY, "unknown_field")),
        (
            "/guests/ada/interactions/batch?namespace=E-Mail",
            &[],
            json!({"interactions": [{"kind": "a.b"}]}),
            (StatusCode::UNPROCESSABLE_ENTITY, "invalid_identifier"),
        ),
        (EVENTS, &[], json!([event("ada", "a.b", "m")]), (StatusCode::UNPROCESSABLE_ENTITY, "validation_failed")),
        (
            BATCH,
            &[("If-Match", "\"v1-1\"")],
            json!({"interactions": [{"kind": "a.b"}]}),
            (StatusCode::BAD_REQUEST, "if_match_invalid"),
        ),
    ] {
        let (status, answer) = scene.send(path, headers, &body).await;
        assert_eq!((status, answer["code"].as_str().expect("a code")), expected, "{answer}");
    }
    let bearer = Bearer::Person { tenant: "demo".to_owned(), subject: "ada".to_owned() };
    let own = scene.client.with(&Grant { bearer, roles: vec![Role::Guest], scopes: Vec::new(), seconds: 600 });
    let batch = json!({"events": [event("ada", "a.b", "m-1"), event("bob", "a.b", "m-2")]});
    let (status, verdicts) = send(&own, EVENTS, &[], &batch).await;
    assert_eq!((status, counts(&verdicts)), (StatusCode::MULTI_STATUS, [1, 0, 1, 0]));
    assert_eq!(verdicts["items"][0]["problem"]["code"], json!("guest_not_found"));
}
