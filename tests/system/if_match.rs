//! A write that rests on what its sender has seen.

use axum::http::{HeaderMap, Method, StatusCode};
use futures_util::future::join_all;
use serde_json::Value;

use keepsake_tests::harness::{Client, InProcess, World, services};

const PATH: &str = "/api/v1/guests/ada/interactions";
const BODY: &str = r#"{"kind":"product.viewed","topic":"jazz"}"#;

/// Records an interaction of Ada's, if her interactions are still at what `if_match` says.
async fn record(client: &Client, id: &str, if_match: &str) -> (StatusCode, HeaderMap, Value) {
    let json = ("Content-Type", "application/json");
    let headers = [("X-Tenant-ID", "demo"), json, ("Idempotency-Key", id), ("If-Match", if_match)];
    let answer = client.http(Method::POST, PATH, &headers, BODY).await;
    (answer.status, answer.headers, serde_json::from_slice(&answer.body).expect("JSON"))
}

fn etag(headers: &HeaderMap) -> String {
    headers["etag"].to_str().expect("text").to_owned()
}

#[tokio::test]
async fn a_write_on_an_old_version_is_refused_and_stores_nothing() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    client.register("ada").await;
    assert_eq!(record(&client, "a", "*").await.0, StatusCode::PRECONDITION_FAILED, "there is none yet");
    client.accepted("interactions.record", None, &format!(r#"{{"guest_id":"ada",{}"#, &BODY[1..])).await;

    let (status, headers, first) = record(&client, "b", "*").await;
    assert_eq!((status, &first["version"]), (StatusCode::CREATED, &Value::from(2)));
    let seen = etag(&headers);
    assert_eq!(record(&client, "c", &seen).await.0, StatusCode::CREATED);
    let (status, _, problem) = record(&client, "d", &seen).await;
    assert_eq!((status, &problem["code"]), (StatusCode::PRECONDITION_FAILED, &Value::from("version_conflict")));
    assert_eq!(problem["outcome"], "not_applied");

    let (status, headers, again) = record(&client, "c", &seen).await;
    assert_eq!((status, &headers["idempotent-replayed"]), (StatusCode::OK, &"true".parse().expect("a value")));
    assert_eq!(again["version"], 3, "what was carried out is answered as it was");
    let (status, _, problem) = record(&client, "e", &format!("W/{seen}")).await;
    assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &Value::from("if_match_invalid")));
    assert_eq!(record(&client, "f", &etag(&headers)).await.2["version"], 4, "nothing was stored in between");
    services.stop().await;
}

#[tokio::test]
async fn of_many_writes_on_one_version_one_is_carried_out() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    client.register("ada").await;
    client.accepted("interactions.record", None, &format!(r#"{{"guest_id":"ada",{}"#, &BODY[1..])).await;
    let (_, headers, _) = record(&client, "first", "*").await;
    let (seen, ids) = (etag(&headers), (0..16).map(|number| format!("r-{number}")).collect::<Vec<_>>());
    let outcomes = join_all(ids.iter().map(|id| record(&client, id, &seen))).await;
    let of = |status| outcomes.iter().filter(|(outcome, ..)| *outcome == status).count();
    assert_eq!((of(StatusCode::CREATED), of(StatusCode::PRECONDITION_FAILED)), (1, 15));
    services.stop().await;
}

#[tokio::test]
async fn where_it_is_required_a_write_without_it_is_refused() {
    let world = World::start().await;
    let required = [("KEEPSAKE_REQUIRE_IF_MATCH", "true".to_owned())];
    let command = services::command_with(&world, &required).await;
    let client = Client::new(&world, &command.url(), "demo").await;
    client.provision().await;
    client.register("ada").await;
    let (status, problem) = client.post(PATH, BODY).await;
    assert_eq!((status, &problem["code"]), (StatusCode::PRECONDITION_REQUIRED, &Value::from("precondition_required")));
    let (status, headers, _) = record(&client, "a", "\"v0-0\"").await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(record(&client, "b", &etag(&headers)).await.0, StatusCode::CREATED);
    command.stop().await.expect("stops");
}
