//! The same command, sent again, is the same command.

use axum::http::StatusCode;

use keepsake_tests::harness::{Client, InProcess, World};

const RECORD: &str = r#"{"guest_id":"ada","kind":"order.created","properties":{"v":1}}"#;

#[tokio::test]
async fn a_command_sent_again_gets_its_original_answer() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    client.register("ada").await;
    let first = client.accepted("interactions.record", Some("order-1"), RECORD).await;
    client.accepted("interactions.record", Some("order-2"), RECORD).await;
    let again = client.accepted("interactions.record", Some("order-1"), RECORD).await;
    assert!(again.replayed && !first.replayed);
    assert_eq!((again.position, again.version, &again.events), (first.position, first.version, &first.events));
    let laid_out_otherwise = RECORD.replace(':', " : ");
    assert!(client.accepted("interactions.record", Some("order-1"), &laid_out_otherwise).await.replayed);

    let other = RECORD.replace(r#""v":1"#, r#""v":2"#);
    assert_eq!(client.refused("interactions.record", Some("order-1"), &other).await, "idempotency_key_reused");
    services.stop().await;

    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    let after_restart = client.accepted("interactions.record", Some("order-1"), RECORD).await;
    assert_eq!((after_restart.position, after_restart.replayed), (first.position, true));
    services.stop().await;
}

#[tokio::test]
async fn a_registration_without_identifier_meets_the_same_guest_again() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    let first = client.accepted("guest.register", Some("anonymous-1"), "{}").await;
    let again = client.accepted("guest.register", Some("anonymous-1"), "{}").await;
    let other = client.accepted("guest.register", Some("anonymous-2"), "{}").await;
    assert_eq!(first.guest_id, again.guest_id);
    assert_ne!(first.guest_id, other.guest_id);
    services.stop().await;
}

#[tokio::test]
async fn both_doors_know_each_others_commands() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    client.register("ada").await;
    let over_nats = client.accepted("interactions.record", Some("order-1"), RECORD).await;
    let headers = [("X-Tenant-ID", "demo"), ("Content-Type", "application/json"), ("Idempotency-Key", "order-1")];
    let body = r#"{"kind":"order.created","properties":{"v":1}}"#;
    let answer = client.http(axum::http::Method::POST, "/api/v1/guests/ada/interactions", &headers, body).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers["idempotent-replayed"], "true");
    let reply: proto::Reply = serde_json::from_slice(&answer.body).expect("a reply");
    assert_eq!(reply.position, over_nats.position);
    services.stop().await;
}
