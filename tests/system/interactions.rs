//! When and where a guest did something, as its sender tells it and as it is read.

mod batches;

use axum::http::StatusCode;
use chrono::{DateTime, TimeDelta, Utc};
use keepsake_tests::harness::naive::assert_tables_equal;
use keepsake_tests::harness::{Client, InProcess, World, until_folded};
use runtime::clock;
use serde_json::{Value, json};

fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().expect("a text").parse().expect("a time")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_clock_is_corrected_and_what_it_said_is_kept() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    client.register("ada").await;

    // A device whose clock is two hours ahead says ten seconds later what somebody did.
    let (device, before) = (clock::now() + TimeDelta::hours(2), clock::now());
    let event = json!({
        "userId": "ada", "event": "page.viewed", "timestamp": device.to_rfc3339(), "messageId": "m-1",
        "sentAt": (device + TimeDelta::seconds(10)).to_rfc3339(), "context": {"channel": "web", "page": "/jazz"},
    });
    let (status, answer) = client.post("/event", &event.to_string()).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    let after = clock::now();
    let token = answer["consistency_token"].as_str().expect("a token");
    let listed = client.read("/guests/ada/interactions", token).await;
    let seen = &listed["data"][0];
    assert_eq!(seen["context"], json!({"channel": "web", "page": "/jazz"}));
    let ten_seconds_before = (before - TimeDelta::seconds(11))..=(after - TimeDelta::seconds(9));
    assert!(ten_seconds_before.contains(&time(&seen["occurred_at"])), "{seen}");
    assert!((time(&seen["told_at"]) - device).num_seconds().abs() < 1, "{seen}");

    // What nobody says is sent later than it happened, and is hours ahead, happened when it came.
    let ahead = json!({"guest_id": "ada", "kind": "page.viewed", "occurred_at": device.to_rfc3339()});
    let reply = client.accepted("interactions.record", None, &ahead.to_string()).await;
    let listed = client.read("/guests/ada/interactions", &reply.consistency_token).await;
    let seen =
        listed["data"].as_array().expect("a list").iter().find(|one| one["context"] == json!({})).expect("it is there");
    assert!(time(&seen["occurred_at"]) <= clock::now() && time(&seen["told_at"]) > clock::now(), "{seen}");

    // A clock that is right is believed.
    let plain = json!({"guest_id": "ada", "kind": "page.viewed", "occurred_at": "2026-03-01T10:00:00+01:00"});
    let reply = client.accepted("interactions.record", None, &plain.to_string()).await;
    let listed = client.read("/guests/ada/interactions?sort=occurred_at&limit=1", &reply.consistency_token).await;
    let seen = &listed["data"][0];
    assert_eq!((&seen["occurred_at"], &seen["told_at"]), (&json!("2026-03-01T10:00:00+01:00"), &Value::Null));
    until_folded(&world, &client).await;
    assert_tables_equal(&world).await;
}
