//! A suspended tenant: nothing is written for it and nothing of it is read, until it is resumed.

use axum::http::{Method, StatusCode};
use event_log::{intake, stream};
use serde_json::Value;

use keepsake_tests::harness::{Client, InProcess, World, eventually, services};

const SUSPEND: &str = r#"{"reason":"payment_overdue"}"#;
const ADA: &str = r#"{"user_id":"ada"}"#;
const BOB: &str = r#"{"identifier":"bob"}"#;

/// `POST /users` with `Prefer: respond-async`: taken, or refused at the door.
async fn take(client: &Client, tenant: &str) -> (StatusCode, Value) {
    let json = ("Content-Type", "application/json");
    let headers = [("X-Tenant-ID", tenant), json, ("Prefer", "respond-async")];
    let answer = client.http(Method::POST, "/users", &headers, ADA).await;
    (answer.status, serde_json::from_slice(&answer.body).expect("JSON"))
}

fn is_suspended((status, problem): &(StatusCode, Value)) -> bool {
    *status == StatusCode::FORBIDDEN && problem["code"] == "tenant_suspended"
}

#[tokio::test]
async fn a_suspended_tenant_is_refused_at_every_door_and_nothing_is_stored() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    client.register("ada").await;
    let suspended = client.accepted("tenant.suspend", None, SUSPEND).await;
    assert_eq!(suspended.events[0].r#type, "TenantSuspended");

    // The instance that suspended it knows at once.
    assert_eq!(client.refused("guest.register", None, BOB).await, "tenant_suspended");
    client.publish("guest.register", "published", BOB).await;
    client.durable("guest.register", "durable", BOB).await;
    for id in ["published", "durable"] {
        let verdict = client.verdict(id).await;
        assert_eq!((&verdict["status"], &verdict["problem"]["code"]), (&"refused".into(), &"tenant_suspended".into()));
        assert_eq!(verdict["problem"]["status"], 403);
    }
    for answer in [client.post("/users", ADA).await, take(&client, "demo").await] {
        assert!(is_suspended(&answer), "{answer:?}");
    }
    assert_eq!(client.refused("tenant.provision", None, r#"{"name":"A tenant"}"#).await, "tenant_suspended");
    let again = client.accepted("tenant.suspend", None, r#"{"reason":"abuse"}"#).await;
    assert!(again.events.is_empty(), "{again:?}");
    let last = stream::info(&client.nats).await.expect("the log").last_position;
    assert_eq!(last, suspended.position, "nothing was stored after the suspension");
    assert_eq!(intake::info(&client.nats).await.expect("the intake").dead, 0, "a refusal is no dead letter");

    let other = client.of("other");
    other.provision().await;
    other.register("ada").await;

    assert_eq!(client.accepted("tenant.resume", None, "{}").await.events[0].r#type, "TenantResumed");
    client.register("ada").await;
    client.durable("guest.register", "durable", BOB).await;
    eventually("what was refused is decided anew when it is sent again", async || {
        (client.known_of("durable").await.1["status"] == "accepted").then_some(())
    })
    .await;
    assert_eq!(take(&client, "demo").await.0, StatusCode::ACCEPTED);
    services.stop().await;
}

#[tokio::test]
async fn nothing_of_a_suspended_tenant_is_read() {
    let world = World::start().await;
    let InProcess { command, projections, query } = InProcess::start(&world).await;
    let client = Client::new(&world, &query.url(), "demo").await;
    client.provision().await;
    let token = client.register("ada").await.consistency_token;
    client.read("/users/ada", &token).await;
    let other = client.of("other");
    other.provision().await;
    let others = other.register("ada").await.consistency_token;

    let token = client.accepted("tenant.suspend", None, SUSPEND).await.consistency_token;
    let guest = ["/users/ada", "/guests/ada/interactions", "/guests/ada/timeline", "/users/nobody"];
    for path in guest.into_iter().chain(["/api/v1/topics/music/summary"]) {
        for token in [token.as_str(), ""] {
            let answer = client.get(path, token).await;
            assert!(is_suspended(&answer), "{path}: {answer:?}");
        }
    }
    other.read("/users/ada", &others).await;

    let token = client.accepted("tenant.resume", None, "{}").await.consistency_token;
    client.read("/users/ada", &token).await;

    projections.stop().await.expect("stops");
    let token = client.accepted("tenant.suspend", None, SUSPEND).await.consistency_token;
    let headers = [("X-Tenant-ID", "demo"), ("X-Min-Position", token.as_str()), ("X-Wait-Ms", "50")];
    let answer = client.http(Method::GET, "/users/ada", &headers, "").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "it waits for the suspension as for anything else");
    for running in [query, command] {
        running.stop().await.expect("stops");
    }
}

#[tokio::test]
async fn a_suspension_takes_effect_in_every_instance() {
    let world = World::start().await;
    let (first, second) = (services::command(&world).await, services::command(&world).await);
    let here = Client::new(&world, &first.url(), "demo").await;
    let there = Client::new(&world, &second.url(), "demo").await;
    assert_eq!(here.post("/api/v1/tenants", r#"{"name":"Demo"}"#).await.0, StatusCode::CREATED);
    for client in [&here, &there] {
        assert!(client.post("/users", ADA).await.0.is_success(), "both have learnt that the tenant is there");
    }
    assert_eq!(here.post("/api/v1/tenants/demo/suspend", SUSPEND).await.0, StatusCode::OK);
    eventually("the other instance hears of the suspension", async || {
        is_suspended(&there.post("/users", ADA).await).then_some(())
    })
    .await;
    assert_eq!(there.post("/api/v1/tenants/demo/resume", "{}").await.0, StatusCode::OK);
    assert!(there.post("/users", ADA).await.0.is_success(), "at once where it was decided");
    eventually("the first instance hears that it is over", async || {
        here.post("/users", ADA).await.0.is_success().then_some(())
    })
    .await;
    for running in [first, second] {
        running.stop().await.expect("stops");
    }
}

#[tokio::test]
async fn a_tenant_is_suspended_and_resumed_over_http_under_its_own_path() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    for (path, body) in [("suspend", SUSPEND), ("resume", "{}")] {
        let (status, problem) = client.post(&format!("/api/v1/tenants/demo/{path}"), body).await;
        assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &"tenant_unknown".into()));
        assert_eq!(client.refused(&format!("tenant.{path}"), None, body).await, "tenant_unknown");
    }
    client.provision().await;
    for (path, body, status, code) in [
        ("/api/v1/tenants/other/suspend", SUSPEND, StatusCode::FORBIDDEN, "tenant_mismatch"),
        ("/api/v1/tenants/other/resume", "{}", StatusCode::FORBIDDEN, "tenant_mismatch"),
        ("/api/v1/tenants/demo/suspend", "{}", StatusCode::UNPROCESSABLE_ENTITY, "validation_failed"),
        (
            "/api/v1/tenants/demo/suspend",
            r#"{"reason":"Ada did not pay"}"#,
            StatusCode::UNPROCESSABLE_ENTITY,
            "validation_failed",
        ),
    ] {
        let (answered, problem) = client.post(path, body).await;
        assert_eq!((answered, &problem["code"]), (status, &code.into()), "{path} {body}");
    }
    let (status, reply) = client.post("/tenants/demo/suspend", SUSPEND).await;
    assert_eq!((status, &reply["version"]), (StatusCode::OK, &2.into()), "{reply}");
    let (status, reply) = client.post("/api/v1/tenants/demo/resume", "{}").await;
    assert_eq!((status, &reply["version"]), (StatusCode::OK, &3.into()), "{reply}");
    services.stop().await;
}
