//! The NATS door when more comes than it takes, and what it tells of itself.

use std::collections::BTreeSet;
use std::time::Duration;

use async_nats::{HeaderMap, Message, jetstream};
use axum::http::Method;
use event_log::stream;
use futures_util::StreamExt as _;
use proto::subject::LOG_STREAM;
use proto::{Command, Reply, header};
use serde_json::{Value, json};
use tokio_postgres::Client as Postgres;

use keepsake_tests::harness::{Client, InProcess, World, services};

const TIMEOUT: Duration = Duration::from_secs(20);
/// What the door carries out at once.
const AT_ONCE: usize = 1_024;

/// Holds every look-up of an identifier until the connection ends.
pub(crate) async fn stall_the_vault(world: &World) -> Postgres {
    let (server, _) = world.database.admin.rsplit_once('/').expect("a database");
    let (_, name) = world.database.vault_keeper.rsplit_once('/').expect("a database");
    let vault = world.database.connect(&format!("{server}/{name}")).await;
    vault.batch_execute("BEGIN; LOCK TABLE vault.identifier IN ACCESS EXCLUSIVE MODE").await.expect("locks");
    vault
}

async fn asked(client: &Client, subject: &str) -> Value {
    let answer = client.nats.request(subject.to_owned(), "".into()).await.expect("an answer");
    serde_json::from_slice(&answer.payload).expect("JSON")
}

#[tokio::test]
async fn nats_tools_discover_every_command_its_schema_and_its_figures() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    client.register("ada").await;
    client.refused("guest.register", None, r#"{"identifier":"undefined"}"#).await;

    let info = asked(&client, "$SRV.INFO.keepsake-command").await;
    assert_eq!(info["type"], "io.nats.micro.v1.info_response");
    let endpoints = info["endpoints"].as_array().expect("endpoints");
    assert_eq!(endpoints.len(), Command::NAMES.len());
    let register = endpoints.iter().find(|one| one["subject"] == "cmd.*.guest.register").expect("is listed");
    let link = register["metadata"]["request_schema"].as_str().expect("a link");
    assert!(link.starts_with(&services.command.url()), "{link}");
    let path = link.strip_prefix(&services.command.url()).expect("of this service");
    let schema = client.http(Method::GET, path, &[], "").await;
    let schema: Value = serde_json::from_slice(&schema.body).expect("a schema, through the one origin");
    assert_eq!((&schema["title"], &schema["additionalProperties"]), (&json!("RegisterGuest"), &json!(false)));

    let id = info["id"].as_str().expect("an id");
    assert_eq!(asked(&client, &format!("$SRV.PING.keepsake-command.{id}")).await["id"], id);
    let stats = asked(&client, "$SRV.STATS").await;
    let of = |subject: &str| stats["endpoints"].as_array()?.iter().find(|one| one["subject"] == subject).cloned();
    let register = of("cmd.*.guest.register").expect("is counted");
    assert_eq!((&register["num_requests"], &register["num_errors"]), (&json!(2), &json!(1)));
    assert_eq!(register["last_error"], "422");
    assert!(register["average_processing_time"].as_u64().is_some_and(|nanos| nanos > 0), "{register}");
    services.stop().await;
}

#[tokio::test]
async fn the_asyncapi_document_is_served_through_the_one_origin() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    let answer = client.http(Method::GET, "/asyncapi.json", &[], "").await;
    let document: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(document["asyncapi"], "3.0.0");
    let addresses: BTreeSet<&str> = document["channels"]
        .as_object()
        .expect("channels")
        .values()
        .filter_map(|channel| channel["address"].as_str())
        .collect();
    assert!(
        addresses.contains("cmd.{tenant}.interactions.record") && addresses.contains("verdict.{tenant}.{command_id}")
    );
    assert_eq!(client.get("/schemas/nothing.json", "").await.1["code"], "route_not_found");
    services.stop().await;
}

/// Sends commands that all wait for one look-up; their answers.
async fn fill_the_door(client: &Client) -> async_nats::Subscriber {
    let inbox = client.nats.new_inbox();
    let answers = client.nats.subscribe(inbox.clone()).await.expect("subscribes");
    for _ in 0..AT_ONCE {
        let body = r#"{"guest_id":"stranger","kind":"a"}"#;
        let sent = client.nats.publish_with_reply("cmd.demo.interactions.record", inbox.clone(), body.into());
        sent.await.expect("publishes");
    }
    answers
}

fn code(answer: &Message) -> String {
    let problem: Value = serde_json::from_slice(&answer.payload).expect("a problem");
    problem["code"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_much_is_turned_away_before_anything_else_is_answered() {
    let world = World::start().await;
    let command = services::command(&world).await;
    let client = Client::new(&world, &command.url(), "demo").await;
    client.provision().await;
    client.publish("guest.register", "heard", r#"{"identifier":"grace"}"#).await;
    let accepted = client.verdict("heard").await;
    let stalled = stall_the_vault(&world).await;
    let mut answers = fill_the_door(&client).await;

    let answer = client.nats.request("cmd.demo.guest.register", "{}".into()).await.expect("an answer");
    assert_eq!(code(&answer), "overloaded");
    let headers = answer.headers.expect("headers");
    assert_eq!(headers.get("Retry-After").map(async_nats::HeaderValue::as_str), Some("1"));
    // Answers of one connection come in the order they were given.
    let earlier = futures_util::FutureExt::now_or_never(answers.next());
    assert!(earlier.is_none(), "the door was not full: {earlier:?}");
    client.publish("guest.register", "heard", r#"{"identifier":"grace"}"#).await;
    client.publish("guest.register", "unheard", r#"{"identifier":"ada"}"#).await;
    let verdict = client.verdict("unheard").await;
    assert_eq!((&verdict["status"], &verdict["problem"]["code"]), (&json!("refused"), &json!("overloaded")));

    assert_eq!(client.verdict("heard").await, accepted, "who is turned away loses no verdict");

    drop(stalled);
    for _ in 0..AT_ONCE {
        let answer = tokio::time::timeout(TIMEOUT, answers.next()).await.expect("in time").expect("an answer");
        let code = code(&answer);
        assert!(["guest_not_found", "vault_unavailable"].contains(&code.as_str()), "{code}");
    }
    client.register("ada").await;
    command.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_whose_sender_has_given_up_is_not_begun_any_more() {
    let world = World::start().await;
    let command = services::command(&world).await;
    let client = Client::new(&world, &command.url(), "demo").await;
    client.provision().await;
    let before = stream::info(&client.nats).await.expect("the log").last_position;
    let stalled = stall_the_vault(&world).await;
    let within = |millis: &str, body: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert(header::TIMEOUT_MS, millis);
        let request = async_nats::Request::new().headers(headers).payload(body.into());
        client.nats.send_request("cmd.demo.guest.register", request)
    };
    let answer = within("100", r#"{"identifier":"ada","attributes":{"came":"late"}}"#).await.expect("an answer");
    let problem: Value = serde_json::from_slice(&answer.payload).expect("a problem");
    assert_eq!((&problem["code"], &problem["outcome"]), (&json!("deadline_exceeded"), &json!("not_applied")));
    assert_eq!(code(&within("soon", "{}").await.expect("an answer")), "timeout_invalid");

    drop(stalled);
    // Other attributes: were the guest known, they would be refused.
    let reply = within("20000", r#"{"identifier":"ada"}"#).await.expect("an answer");
    let reply: Reply = serde_json::from_slice(&reply.payload).expect("is carried out");
    assert_eq!(reply.events.len(), 1);
    let after = stream::info(&client.nats).await.expect("the log").last_position;
    assert_eq!(after, before + 1, "the first command came in after all");
    command.stop().await.expect("stops");
}

#[tokio::test]
async fn a_body_over_the_limit_is_answered_and_the_connection_stays() {
    let world = World::start().await;
    let command = services::command(&world).await;
    let client = Client::new(&world, &command.url(), "demo").await;
    client.provision().await;
    for bytes in [256 * 1024 + 1, 1024 * 1024 - 512] {
        let answer = client.nats.request("cmd.demo.guest.register", vec![b'x'; bytes].into()).await.expect("an answer");
        assert_eq!(code(&answer), "payload_too_large");
    }
    client.register("ada").await;
    let connects = client.nats.statistics().connects.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(connects, 1, "the caller lost its connection");
    command.stop().await.expect("stops");
}

#[tokio::test]
async fn headers_that_steer_the_server_are_not_copied_into_the_log() {
    let world = World::start().await;
    let command = services::command(&world).await;
    let client = Client::new(&world, &command.url(), "demo").await;
    client.provision().await;
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("Nats-Msg-Id", "1"),
        ("Nats-Rollup", "all"),
        ("Nats-TTL", "1s"),
        ("Nats-Expected-Last-Sequence", "999"),
        ("Nats-Expected-Last-Subject-Sequence", "999"),
        ("Nats-Batch-Id", "x"),
        ("X-Mine", "1"),
        (header::COMMAND_ID, "steered"),
    ] {
        headers.insert(name, value);
    }
    let body = r#"{"identifier":"ada"}"#;
    let answer = client.nats.request_with_headers("cmd.demo.guest.register", headers, body.into()).await;
    let reply: Reply = serde_json::from_slice(&answer.expect("an answer").payload).expect("is carried out");
    let log = jetstream::new(client.nats.clone()).get_stream(LOG_STREAM).await.expect("the log");
    let stored = log.get_raw_message(reply.position).await.expect("the commit");
    let names: BTreeSet<String> = stored.headers.iter().map(|(name, _)| name.to_string()).collect();
    let ours = [header::COMMAND_ID, header::EVENTS, header::EXPECTED_LAST_SUBJECT_SEQUENCE, header::EXPECTED_STREAM];
    assert_eq!(names, ours.into_iter().map(str::to_owned).collect());
    command.stop().await.expect("stops");
}
