//! Commands nobody waits for: how they ended is told, and kept.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use keepsake_tests::harness::{Client, InProcess, World};

const TIMEOUT: Duration = Duration::from_secs(20);
const ADA: &str = r#"{"identifier":"ada"}"#;

/// The last one says so.
fn rather_not_wait<'a>(tenant: &'a str, id: &'a str) -> [(&'a str, &'a str); 4] {
    let json = ("Content-Type", "application/json");
    [("X-Tenant-ID", tenant), json, ("Idempotency-Key", id), ("Prefer", "respond-async")]
}

#[tokio::test]
async fn the_verdict_on_a_publish_is_told_and_can_be_asked_for() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    let mut told = client.nats.subscribe("verdict.demo.>").await.expect("subscribes");
    client.nats.flush().await.expect("flushes");

    client.publish("guest.register", "order.1/a", ADA).await;
    let message = tokio::time::timeout(TIMEOUT, told.next()).await.expect("in time").expect("is told");
    assert_eq!(message.subject.as_str(), "verdict.demo.order=2E1=2Fa");
    let live: Value = serde_json::from_slice(&message.payload).expect("a verdict");
    let asked = client.verdict("order.1%2Fa").await;
    assert_eq!(live, asked);
    assert_eq!((&asked["id"], &asked["status"]), (&json!("order.1/a"), &json!("accepted")));
    let reply = client.accepted("guest.register", Some("order.1/a"), ADA).await;
    assert_eq!((&asked["reply"]["position"], reply.replayed), (&json!(reply.position), true));

    // A retry, and another command under the same id, leave the verdict as it is.
    client.publish("guest.register", "order.1/a", ADA).await;
    client.publish("guest.register", "order.1/a", "{").await;
    client.publish("interactions.record", "refused", r#"{"guest_id":"nobody","kind":"a"}"#).await;
    let refused = client.verdict("refused").await;
    assert_eq!((&refused["status"], &refused["problem"]["code"]), (&json!("refused"), &json!("guest_not_found")));
    client.publish("interactions.record", "broken", "{").await;
    assert_eq!(client.verdict("broken").await["problem"]["code"], "malformed_json");
    assert_eq!(client.verdict("order.1%2Fa").await, asked);

    assert_eq!(client.known_of("never-sent").await.1["code"], "command_unknown");
    client.of("other").provision().await;
    assert_eq!(client.of("other").known_of("refused").await.1["code"], "command_unknown");
    services.stop().await;
}

#[tokio::test]
async fn a_request_that_would_rather_not_wait_is_kept_and_carried_out() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    let headers = rather_not_wait("demo", "later#1");
    let answer = client.http(Method::POST, "/users", &headers, r#"{"user_id":"ada"}"#).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(answer.headers["preference-applied"], "respond-async");
    let pending: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!((&pending["id"], &pending["status"]), (&json!("later#1"), &json!("pending")));
    assert!(pending["since"].is_string(), "{pending}");
    let location = answer.headers["location"].to_str().expect("a path").to_owned();
    assert_eq!(location, "/api/v1/commands/later%231");

    let waiting = [("X-Tenant-ID", "demo"), ("X-Wait-Ms", "10000")];
    let verdict = client.http(Method::GET, &location, &waiting, "").await;
    assert_eq!(verdict.status, StatusCode::OK);
    let verdict: Value = serde_json::from_slice(&verdict.body).expect("JSON");
    assert_eq!(verdict["status"], "accepted");
    let token = verdict["reply"]["consistency_token"].as_str().expect("a token");
    assert_eq!(client.read("/users/ada", token).await["guest_id"], verdict["reply"]["guest_id"]);

    // The same again, also by the way that waits, is the same command.
    let again = client.http(Method::POST, "/users", &headers, r#"{"user_id":"ada"}"#).await;
    assert_eq!(again.status, StatusCode::ACCEPTED);
    let waited = client.http(Method::POST, "/users", &headers[..3], r#"{"user_id":"ada"}"#).await;
    assert_eq!(
        (waited.status, &waited.headers["idempotent-replayed"]),
        (StatusCode::OK, &"true".parse().expect("ASCII"))
    );
    assert_eq!(client.http(Method::POST, "/users", &headers, "{").await.status, StatusCode::BAD_REQUEST);
    let of_nobody = client.http(Method::POST, "/users", &rather_not_wait("typo", "later"), "{}").await;
    assert_eq!(of_nobody.status, StatusCode::NOT_FOUND, "a tenant is never made by a typo, nor its commands kept");
    services.stop().await;
}

#[tokio::test]
async fn a_refused_command_that_is_sent_again_is_pending_again() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    let headers = rather_not_wait("demo", "early");
    let send = async || client.http(Method::POST, "/guests/ada/interactions", &headers, r#"{"kind":"a"}"#).await.status;
    assert_eq!(send().await, StatusCode::ACCEPTED);
    assert_eq!(client.verdict("early").await["problem"]["code"], "guest_not_found");
    client.register("ada").await;
    assert_eq!(send().await, StatusCode::ACCEPTED);
    let verdict = client.get("/api/v1/commands/early", "").await;
    assert_eq!((verdict.0, &verdict.1["status"]), (StatusCode::OK, &json!("accepted")), "{}", verdict.1);
    services.stop().await;
}
