//! Everything a caller can get wrong: one exact code each, and nothing stored.

use axum::http::Method;
use event_log::stream;
use keepsake_cli::commander::Outcome;

use keepsake_tests::harness::{Client, InProcess, World};

const JSON: (&str, &str) = ("Content-Type", "application/json");
const TENANT: (&str, &str) = ("X-Tenant-ID", "demo");

/// Bodies for `cmd.demo.interactions.record` and their codes.
fn bad_bodies() -> Vec<(String, &'static str)> {
    let deep = format!(
        r#"{{"guest_id":"ada","kind":"a","properties":{}{}}}"#,
        r#"{"a":"#.repeat(40),
        "1".to_owned() + &"}".repeat(40)
    );
    let long = format!(r#"{{"guest_id":"ada","kind":"a","properties":{{"a":"{}"}}}}"#, "x".repeat(40_000));
    let big = format!(r#"{{"guest_id":"ada","kind":"{}"}}"#, "x".repeat(300_000));
    let fixed = [
        ("", "malformed_json"),
        ("{", "malformed_json"),
        ("{}{}", "malformed_json"),
        (r#"{"kind":"\ud800"}"#, "malformed_json"),
        ("[]", "validation_failed"),
        ("null", "validation_failed"),
        (r#"{"guest_id":"ada"}"#, "validation_failed"),
        (r#"{"guest_id":"ada","kind":7}"#, "validation_failed"),
        (r#"{"guest_id":"ada","kind":"Not A Kind"}"#, "validation_failed"),
        (r#"{"guest_id":"ada","kind":"a","properties":[1]}"#, "validation_failed"),
        (r#"{"guest_id":"ada","kind":"a","is_admin":true}"#, "unknown_field"),
        (r#"{"guest_id":"ada","kind":"a","kind":"b"}"#, "duplicate_key"),
        (r#"{"guest_id":"ada","kind":"a","properties":{"a":{"b":1,"b":2}}}"#, "duplicate_key"),
        (r#"{"guest_id":"ada","kind":"a","properties":{"a":"\u0000"}}"#, "invalid_character"),
        (r#"{"guest_id":"ada","kind":"a","properties":{"a":1e999}}"#, "number_out_of_range"),
        (r#"{"guest_id":"ada","kind":"a","occurred_at":"yesterday"}"#, "invalid_date"),
        (r#"{"guest_id":"nobody","kind":"a"}"#, "guest_not_found"),
        (r#"{"guest_id":"undefined","kind":"a"}"#, "blocked_identifier"),
        (r#"{"guest_id":"prf_1","kind":"a"}"#, "invalid_identifier"),
        (r#"{"guest_id":"","kind":"a"}"#, "invalid_identifier"),
        (r#"{"guest_id":"prf_00000000000000000000000000000000","kind":"a"}"#, "guest_not_found"),
    ];
    let fixed = fixed.into_iter().map(|(body, code)| (body.to_owned(), code));
    fixed.chain([(deep, "json_too_deep"), (long, "too_long"), (big, "payload_too_large")]).collect()
}

#[tokio::test]
async fn a_bad_command_is_refused_with_its_code_and_leaves_nothing() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    client.register("ada").await;
    let before = stream::info(&client.nats).await.expect("the log").last_position;

    for (body, code) in bad_bodies() {
        let shown: String = body.chars().take(80).collect();
        assert_eq!(client.refused("interactions.record", None, &body).await, code, "NATS: {shown}");
        let in_path = body.replace(r#""guest_id":"ada","#, "");
        if body.contains(r#""guest_id":"ada""#) || !body.contains("guest_id") {
            let answer = client.http(Method::POST, "/api/v1/guests/ada/interactions", &[TENANT, JSON], &in_path).await;
            let problem: serde_json::Value = serde_json::from_slice(&answer.body).expect("a problem");
            assert_eq!(problem["code"], code, "HTTP: {shown}");
            assert_eq!(answer.headers["content-type"], "application/problem+json");
            assert_eq!(problem["status"], answer.status.as_u16());
        }
    }
    assert_eq!(client.of("_sys").refused("tenant.provision", None, r#"{"name":"x"}"#).await, "tenant_invalid");
    assert_eq!(client.refused("guest.register", None, r#"{"identifier":"prf_abc"}"#).await, "invalid_identifier");
    assert_eq!(client.refused("interactions.destroy", None, "{}").await, "unknown_command");
    assert_eq!(client.refused("guest.register.extra.token", None, "{}").await, "malformed_command");
    assert_eq!(client.of("typo").refused("guest.register", None, r#"{"identifier":"x"}"#).await, "tenant_unknown");
    assert_eq!(client.refused("guest.register", Some("a b"), r#"{"identifier":"x"}"#).await, "idempotency_key_invalid");
    let wrong_owner = client.refused("interactions.record.prf_1", None, r#"{"guest_id":"ada","kind":"a"}"#).await;
    assert_eq!(wrong_owner, "owner_mismatch");

    let after = stream::info(&client.nats).await.expect("the log").last_position;
    assert_eq!(before, after, "a refused command left something in the log");
    services.stop().await;
}

/// Headers, body, and the status and code they are answered with.
type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, u16, &'a str);

#[tokio::test]
async fn a_bad_http_request_is_refused_before_it_is_a_command() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    let body = r#"{"user_id":"x"}"#;
    let cases: [Case<'_>; 9] = [
        (&[JSON], body, 400, "tenant_missing"),
        (&[TENANT, TENANT, JSON], body, 400, "tenant_ambiguous"),
        (&[("X-Tenant-ID", "a.b"), JSON], body, 400, "tenant_invalid"),
        (&[("X-Tenant-ID", "typo"), JSON], body, 404, "tenant_unknown"),
        (&[TENANT], body, 415, "unsupported_media_type"),
        (&[TENANT, ("Content-Type", "text/plain")], body, 415, "unsupported_media_type"),
        (&[TENANT, JSON, ("Content-Encoding", "gzip")], body, 415, "unsupported_encoding"),
        (&[TENANT, JSON, ("Idempotency-Key", "")], body, 400, "idempotency_key_invalid"),
        (&[TENANT, JSON], r#"{"user_id":"x","tenant_id":"other"}"#, 422, "unknown_field"),
    ];
    for (headers, body, status, code) in cases {
        let answer = client.http(Method::POST, "/users", headers, body).await;
        let problem: serde_json::Value = serde_json::from_slice(&answer.body).expect("a problem");
        assert_eq!((answer.status.as_u16(), problem["code"].as_str()), (status, Some(code)), "{headers:?} {body}");
    }
    let events = [
        (r#"{"userId":"x","eventName":"a"}"#, "event_time_required"),
        (r#"{"eventName":"a","eventTime":"2026-03-01T10:00:00Z"}"#, "missing_identity"),
        (r#"{"userId":"x","eventName":"a","eventTime":"2026-03-01"}"#, "guest_not_found"),
    ];
    for (body, code) in events {
        assert_eq!(client.post("/event", body).await.1["code"], code, "{body}");
    }
    assert_eq!(client.get("/nowhere", "").await.1["code"], "route_not_found");
    for (path, code) in
        [("/guests/%FF/interactions", "invalid_identifier"), ("/guests/x/interactions?a=b", "invalid_filter")]
    {
        assert_eq!(client.post(path, r#"{"kind":"a"}"#).await.1["code"], code, "{path}");
    }
    services.stop().await;
}

#[tokio::test]
async fn reads_refuse_what_they_cannot_answer() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    let token = client.register("ada").await.consistency_token;
    client.read("/users/ada", &token).await;
    let cases = [
        ("/users/nobody", "guest_not_found"),
        ("/users/undefined", "blocked_identifier"),
        ("/users/prf_00000000000000000000000000000000", "guest_not_found"),
        ("/guests/ada/interactions?limit=0", "invalid_limit"),
        ("/guests/ada/interactions?limit=many", "invalid_limit"),
        ("/guests/ada/interactions?from=yesterday", "invalid_date"),
        ("/guests/ada/interactions?sort=drop", "invalid_filter"),
        ("/guests/ada/interactions?cursor=forged", "invalid_cursor"),
        ("/api/v1/topics/nothing/summary", "topic_not_found"),
    ];
    for (path, code) in cases {
        assert_eq!(client.get(path, "").await.1["code"], code, "{path}");
    }
    assert_eq!(client.get("/users/ada", "not a token").await.1["code"], "invalid_position");
    assert_eq!(client.of("typo").get("/users/ada", "").await.1["code"], "tenant_unknown");
    services.stop().await;
}

#[tokio::test]
async fn discovery_answers_no_hostile_reply_subject_either() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    let before = stream::info(&client.nats).await.expect("the log").last_position;
    for subject in ["$SRV.PING", "$SRV.INFO", "cmd.demo.nothing.here"] {
        client.nats.publish_with_reply(subject, "es.00.demo.tenant", "{}".into()).await.expect("publishes");
    }
    assert!(matches!(client.send("guest.register", None, "{}").await, Outcome::Accepted(_)));
    let after = stream::info(&client.nats).await.expect("the log").last_position;
    assert_eq!(after, before + 1, "only the command is in the log");
    services.stop().await;
}

/// The publish that a reply subject in the log would be is the service's, with the service's rights.
#[tokio::test]
async fn a_hostile_reply_subject_stores_nothing() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    let before = stream::info(&client.nats).await.expect("the log").last_position;
    let body = r#"{"identifier":"mallory"}"#;
    let sent = client.nats.publish_with_reply("cmd.demo.guest.register", "es.00.demo.tenant", body.into()).await;
    sent.expect("publishes");
    // A command sent after it on the same connection is answered after it was taken.
    assert!(matches!(client.send("guest.register", None, "{}").await, Outcome::Accepted(_)));
    let after = stream::info(&client.nats).await.expect("the log").last_position;
    assert_eq!(after, before + 1, "only the second command is in the log");
    services.stop().await;
}
