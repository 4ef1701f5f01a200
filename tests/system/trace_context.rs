//! The trace of a caller goes with its command through every door into the log, and out again; nothing else of its headers does.

use async_nats::{HeaderMap, jetstream};
use axum::http::{Method, StatusCode};
use proto::subject::{LOG_STREAM, PUBLISHED_STREAM};
use proto::{Reply, header};
use serde_json::Value;

use keepsake_tests::harness::{Client, InProcess, Processes, Service, World, keepsake, until_published};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn traceparent(span: u8) -> String {
    format!("00-{TRACE}-{span:016x}-01")
}

/// What stands on a message as `traceparent`.
async fn stored(nats: &async_nats::Client, stream: &str, position: u64) -> Vec<String> {
    let stream = jetstream::new(nats.clone()).get_stream(stream).await.expect("the stream");
    let message = stream.get_raw_message(position).await.expect("a message");
    message.headers.get_all(header::TRACEPARENT).map(ToString::to_string).collect()
}

async fn posted(client: &Client, path: &str, headers: &[(&str, &str)], body: &str) -> (StatusCode, Value) {
    let usual = [("X-Tenant-ID", "demo"), ("Content-Type", "application/json")];
    let headers: Vec<_> = usual.iter().chain(headers).copied().collect();
    let answer = client.http(Method::POST, path, &headers, body).await;
    (answer.status, serde_json::from_slice(&answer.body).expect("JSON"))
}

fn position(reply: &Value) -> u64 {
    reply["position"].as_u64().unwrap_or_else(|| panic!("no position: {reply}"))
}

fn nats_headers(trace: &str, id: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::TRACEPARENT, trace);
    headers.insert(header::COMMAND_ID, id);
    headers
}

#[tokio::test]
async fn a_callers_trace_is_on_its_commit_whatever_door_the_command_came_by() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    let mut seen = Vec::new();

    for (span, origin) in [(1, services.query.url()), (2, services.command.url())] {
        let client = Client::new(&world, &origin, "demo").await;
        let (trace, body) = (traceparent(span), format!(r#"{{"user_id":"http-{span}"}}"#));
        let (status, reply) = posted(&client, "/users", &[("traceparent", &trace)], &body).await;
        assert_eq!(status, StatusCode::CREATED, "{reply}");
        seen.push((trace, position(&reply)));
    }

    let (trace, body) = (traceparent(3), r#"{"identifier":"nats"}"#);
    let sent = client.nats.request_with_headers("cmd.demo.guest.register", nats_headers(&trace, "n"), body.into());
    let reply: Reply = serde_json::from_slice(&sent.await.expect("an answer").payload).expect("a reply");
    seen.push((trace, reply.position));

    let (trace, body) = (traceparent(4), r#"{"identifier":"durable"}"#);
    let intake = jetstream::new(client.nats.clone());
    let sent = intake.publish_with_headers("cmdq.demo.guest.register", nats_headers(&trace, "d"), body.into()).await;
    sent.expect("publishes").await.expect("is acknowledged");
    seen.push((trace, position(&client.verdict("d").await["reply"])));

    let (trace, body) = (traceparent(5), r#"{"user_id":"later"}"#);
    let headers = [("traceparent", trace.as_str()), ("Prefer", "respond-async"), ("Idempotency-Key", "later")];
    let (status, taken) = posted(&client, "/users", &headers, body).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{taken}");
    seen.push((trace.clone(), position(&client.verdict("later").await["reply"])));

    for (trace, position) in &seen {
        assert_eq!(&stored(&client.nats, LOG_STREAM, *position).await, std::slice::from_ref(trace));
    }
    until_published(&world, &client).await;
    for (place, (trace, _)) in (1..).zip(&seen) {
        assert_eq!(&stored(&client.nats, PUBLISHED_STREAM, place).await, std::slice::from_ref(trace));
    }
    let event = jetstream::new(client.nats.clone()).get_stream(PUBLISHED_STREAM).await.expect("the stream");
    let event = event.get_raw_message(1).await.expect("an event").payload;
    let event: Value = serde_json::from_slice(&event).expect("JSON");
    assert_eq!(event["traceparent"], seen[0].0);
    services.stop().await;
}

#[tokio::test]
async fn what_is_no_traceparent_goes_no_further_and_its_command_is_carried_out() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    let (good, long) = (traceparent(1), format!("{}-more", traceparent(1)));
    let (zero, loud) = (format!("00-{}-{:016x}-01", "0".repeat(32), 1), traceparent(1).to_uppercase());
    let attempts: [&[&str]; 6] = [&[], &["ada@example.com"], &[&long], &[&zero], &[&loud], &[&good, &good]];
    for (number, traces) in attempts.into_iter().enumerate() {
        let headers: Vec<_> = traces.iter().map(|trace| ("traceparent", *trace)).collect();
        let (status, reply) = posted(&client, "/users", &headers, &format!(r#"{{"user_id":"http-{number}"}}"#)).await;
        assert_eq!(status, StatusCode::CREATED, "{reply}");
        assert!(stored(&client.nats, LOG_STREAM, position(&reply)).await.is_empty(), "{traces:?}");

        let mut headers = HeaderMap::new();
        for trace in traces {
            headers.append(header::TRACEPARENT, *trace);
        }
        let body = format!(r#"{{"identifier":"nats-{number}"}}"#);
        let sent = client.nats.request_with_headers("cmd.demo.guest.register", headers, body.into());
        let reply: Reply = serde_json::from_slice(&sent.await.expect("an answer").payload).expect("a reply");
        assert!(stored(&client.nats, LOG_STREAM, reply.position).await.is_empty(), "{traces:?}");
    }
    services.stop().await;
}

#[tokio::test]
async fn a_problem_names_the_trace_of_its_request() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    let trace = traceparent(1);
    let headers = [("X-Tenant-ID", "demo"), ("traceparent", trace.as_str())];
    let problem = |body: &[u8]| -> Value { serde_json::from_slice(body).expect("JSON") };
    for (method, path) in [(Method::GET, "/users/nobody"), (Method::POST, "/users"), (Method::GET, "/no/such/route")] {
        let refused = problem(&client.http(method.clone(), path, &headers, "{").await.body);
        assert_eq!(refused["trace_id"], TRACE, "{refused}");
        let refused = problem(&client.http(method, path, &headers[..1], "{").await.body);
        assert_eq!(refused.get("trace_id"), None, "{refused}");
    }
    for body in ["{", r#"{"guest_id":"nobody","kind":"a"}"#] {
        let sent =
            client.nats.request_with_headers("cmd.demo.interactions.record", nats_headers(&trace, "n"), body.into());
        let refused = problem(&sent.await.expect("an answer").payload);
        assert_eq!(refused["trace_id"], TRACE, "{refused}");
    }
    services.stop().await;
}

#[tokio::test]
async fn a_line_of_the_log_names_the_trace_it_was_written_for() {
    let world = World::start().await;
    let mut processes = Processes::start(&world).await;
    let client = Client::new(&world, &processes.url(Service::Query), "demo").await;
    client.provision().await;
    processes.kill(Service::Command).await;
    let (status, _) = posted(&client, "/users", &[("traceparent", &traceparent(1))], r#"{"user_id":"ada"}"#).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let logged = processes.logged(Service::Query);
    let line = logged.lines().find(|line| line.contains("request refused")).expect("a line");
    assert!(line.contains(TRACE), "{line}");
}

#[tokio::test]
async fn settings_of_the_log_that_cannot_be_read_are_told_with_all_others() {
    let settings = [("KEEPSAKE_LOG_FORMAT", "xml"), ("KEEPSAKE_LOG", "info,keepsake=loud")];
    let mut command = tokio::process::Command::new(keepsake());
    let ended = command.args(["serve", "query-service"]).envs(settings).output().await.expect("runs");
    let said = String::from_utf8(ended.stderr).expect("UTF-8");
    assert!(!ended.status.success());
    for name in ["KEEPSAKE_LOG_FORMAT", "KEEPSAKE_LOG is not readable", "KEEPSAKE_DATABASE_URL"] {
        assert!(said.contains(name), "{name}: {said}");
    }
}
