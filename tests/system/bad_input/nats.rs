//! What comes in over NATS.

use event_log::stream;
use keepsake_cli::commander::Outcome;

use keepsake_tests::harness::{Client, InProcess, World};

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

#[tokio::test]
async fn a_bad_command_that_nobody_waits_for_leaves_a_verdict_and_nothing_else() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    let before = stream::info(&client.nats).await.expect("the log").last_position;
    client.publish("guest.register", "bad", r#"{"identifier":"ada","is_admin":true}"#).await;
    let verdict = client.verdict("bad").await;
    assert_eq!((&verdict["status"], &verdict["problem"]["code"]), (&"refused".into(), &"unknown_field".into()));
    assert_eq!(stream::info(&client.nats).await.expect("the log").last_position, before);
    services.stop().await;
}
