//! The compose file without Docker: its commands, environments and health checks, on this test's servers.

mod container;
mod file;
mod machine;

use std::time::Duration;

use axum::http::{Method, StatusCode};
use runtime::http_client::HttpClient;
use serde_json::Value;

use file::ComposeFile;
use keepsake_tests::harness::Service;
use machine::Machine;

const STEPS: [&str; 3] = ["keys", "nats-users", "migrate"];
const SERVERS: [&str; 2] = ["nats", "postgres"];
const TOOLS: [&str; 1] = ["operator"];
const TIMEOUT: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_binary_runs_with_the_command_and_environment_of_the_compose_file() {
    let machine = Machine::start(ComposeFile::read()).await;
    let services = Service::ALL.map(Service::name);
    let mut known = [&STEPS[..], &SERVERS, &TOOLS, &services].concat();
    known.sort_unstable();
    assert_eq!(machine.file.names(), known, "this test starts everything that the file names");

    steps_complete(&machine).await;
    let key = machine.key();
    assert_eq!(key.len(), 32);
    steps_complete(&machine).await;
    assert!(machine.key() == key, "a second start makes no second key");

    let mut containers = services.map(|name| machine.start_container(name));
    for container in &mut containers {
        container.becomes_healthy(&machine).await;
    }
    machine.run_commands_of_the_head().await;
    what_a_guest_did_is_read_back(&Caller { origin: machine.origin(), bearer: machine.bearer("demo") }).await;
    for container in containers.into_iter().rev() {
        container.ends_when_asked().await;
    }
}

/// What has to be complete before a service starts; all run at every start.
async fn steps_complete(machine: &Machine) {
    for step in STEPS {
        machine.run(step, &machine.file.service(step).command).await;
    }
}

struct Caller {
    origin: String,
    bearer: String,
}

async fn what_a_guest_did_is_read_back(caller: &Caller) {
    created(caller, "/users", r#"{"user_id":"ada"}"#).await;
    let done = created(caller, "/api/v1/guests/ada/interactions", r#"{"kind":"order.created","topic":"Jazz"}"#).await;
    assert_eq!(done["durability"], "fsync", "{done}");
    let token = done["consistency_token"].as_str().expect("a token");
    let seen = [("X-Min-Position", token), ("X-Wait-Ms", "10000")];
    for (path, status, body) in [
        request(caller, Method::GET, "/users/ada", &seen, "").await,
        request(caller, Method::GET, "/api/v1/topics/jazz/summary", &seen, "").await,
    ] {
        assert_eq!((status, &body["interaction_count"]), (StatusCode::OK, &1.into()), "{path}: {body}");
    }
}

async fn created(caller: &Caller, path: &str, body: &str) -> Value {
    let json = [("Content-Type", "application/json")];
    let (_, status, answer) = request(caller, Method::POST, path, &json, body).await;
    assert_eq!(status, StatusCode::CREATED, "{path}: {answer}");
    answer
}

async fn request<'a>(
    caller: &Caller,
    method: Method,
    path: &'a str,
    headers: &[(&str, &str)],
    body: &str,
) -> (&'a str, StatusCode, Value) {
    let whose = [("Authorization", caller.bearer.as_str()), ("X-Tenant-ID", "demo")];
    let headers = [&whose, headers].concat();
    let url = format!("{}{path}", caller.origin);
    let answer =
        HttpClient::new(TIMEOUT).send(method, &url, &headers, body.to_owned().into()).await.expect("an answer");
    (path, answer.status, serde_json::from_slice(&answer.body).expect("JSON"))
}
