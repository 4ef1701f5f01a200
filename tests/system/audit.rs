//! The audit trail: what stands in it, and that nobody can change it unnoticed.

mod chain;

use std::path::Path;

use async_nats::HeaderMap;
use axum::http::{Method, StatusCode};
use keepsake_cli::dev_issuer::{Bearer, Grant};
use keepsake_tests::harness::{Client, InProcess, Processes, Service, World, eventually, keepsake};
use runtime::auth::Role;
use serde_json::Value;
use tokio::process::Command;

/// `keepsake` as an operator has it: exit code, standard output, standard error.
async fn operate(world: &World, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(keepsake());
    command.args(arguments).envs(world.environment(Service::Projections)).env("DATABASE_URL", &world.database.admin);
    let output = command.env("USER", "ada").kill_on_drop(true).output().await.expect("runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The entries of a tenant, each as JSON.
async fn entries(world: &World, filter: &[&str]) -> Vec<Value> {
    let (code, lines, said) = operate(world, &[&["audit", "list", "--json"], filter].concat()).await;
    assert_eq!(code, Some(0), "{said}");
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// What `keepsake audit verify` says, and whether all is whole.
async fn verified(world: &World, heads: Option<&Path>) -> (bool, String) {
    let heads = heads.map(|heads| heads.display().to_string());
    let noted: Vec<&str> = heads.iter().flat_map(|heads| ["--heads", heads]).collect();
    let (code, lines, _) = operate(world, &[&["audit", "verify"], noted.as_slice()].concat()).await;
    (code == Some(0), lines)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_read_what_of_whom_is_recorded_and_nobody_is_named() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    let ada = client.register("ada").await.guest_id;
    let bob = client.register("bob").await;
    let (bob, token) = (bob.guest_id, bob.consistency_token);
    let person = |role, subject: &str| {
        let bearer = Bearer::Person { tenant: "demo".to_owned(), subject: subject.to_owned() };
        client.with(&Grant { bearer, roles: vec![role], scopes: Vec::new(), seconds: 600 })
    };
    let (agent, guest) = (person(Role::Reader, "agent-canary"), person(Role::Guest, "ada"));
    agent.read("/users/ada", &token).await;
    agent.read("/users/ada", &token).await;
    agent.read("/guests/bob/interactions", &token).await;
    guest.read("/users/ada", &token).await;
    let bearer = Bearer::Service { tenants: vec!["demo".to_owned()], service_id: "loyalty".to_owned() };
    let service = client.with(&Grant { bearer, roles: vec![Role::Reader], scopes: Vec::new(), seconds: 600 });
    service.read("/guests/bob/timeline", &token).await;
    // Nothing of anybody is shown by these.
    assert_eq!(agent.get("/users/nobody", &token).await.1["code"], "guest_not_found");
    assert_eq!(guest.get("/users/bob", &token).await.1["code"], "guest_not_found");
    services.stop().await;

    let reads: Vec<_> = entries(&world, &["--tenant", "demo"]).await;
    let of = |act: &str, kind: &str| {
        let matching = |line: &&Value| line["entry"]["act"] == act && line["entry"]["by"]["kind"] == kind;
        let found: Vec<&Value> = reads.iter().filter(matching).map(|line| &line["entry"]).collect();
        assert!(!found.is_empty(), "{act} by {kind}: {reads:?}");
        let guests: Vec<_> =
            found.iter().flat_map(|entry| entry["guests"].as_array().cloned().unwrap_or_default()).collect();
        let times: u64 = found.iter().map(|entry| entry["times"].as_u64().unwrap_or(1)).sum();
        (guests.first().cloned(), times)
    };
    assert_eq!(of("profile.read", "person"), (Some(ada.as_str().into()), 2));
    assert_eq!(of("interaction.read", "person"), (Some(bob.as_str().into()), 1));
    assert_eq!(of("profile.read", "guest"), (Some(ada.as_str().into()), 1));
    assert_eq!(of("timeline.read", "service"), (Some(bob.as_str().into()), 1));
    assert_eq!(of("tenant.provision", "nats"), (None, 1));
    let all = serde_json::to_string(&reads).expect("JSON");
    assert!(all.contains("\"loyalty\""), "a service is called by its id: {all}");
    assert!(!all.contains("canary") && !all.contains("\"ada\""), "somebody is named: {all}");

    // Who a person was, the holder of the key file can still ask.
    let issuer = reads.iter().find_map(|line| line["entry"]["by"]["issuer"].as_str()).expect("an issuer");
    let hers = entries(&world, &["--issuer", issuer, "--subject", "agent-canary"]).await;
    assert!(hers.iter().all(|line| line["entry"]["by"]["kind"] == "person") && hers.len() >= 2, "{hers:?}");
    assert!(entries(&world, &["--issuer", issuer, "--subject", "somebody"]).await.is_empty());
    assert!(entries(&world, &["--guest", &bob]).await.len() >= 2);
    assert!(verified(&world, None).await.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_are_recorded_once_though_the_vault_did_not_answer_and_though_the_service_stops() {
    let world = World::start().await;
    let mut processes = Processes::start(&world).await;
    let client = Client::new(&world, &processes.url(Service::Query), "demo").await;
    client.provision().await;
    let ada = client.register("ada").await;
    client.read("/users/ada", &ada.consistency_token).await;
    let read_times = async || -> u64 {
        let mine = entries(&world, &["--guest", &ada.guest_id, "--act", "profile"]).await;
        mine.iter().map(|line| line["entry"]["times"].as_u64().unwrap_or(1)).sum()
    };
    eventually("the first read is recorded", async || (read_times().await == 1).then_some(())).await;

    let mut admin = world.database.connect(&world.database.vault_admin()).await;
    let held = admin.transaction().await.expect("a transaction");
    held.batch_execute("LOCK TABLE audit.entry IN EXCLUSIVE MODE").await.expect("nobody may add");
    for _ in 0..20 {
        client.read("/users/ada", &ada.consistency_token).await;
    }
    eventually("the service has told that reads wait", async || {
        processes.logged(Service::Query).contains("wait to be recorded").then_some(())
    })
    .await;
    held.rollback().await.expect("lets go");
    eventually("what waited is recorded", async || (read_times().await >= 21).then_some(())).await;

    client.read("/users/ada", &ada.consistency_token).await;
    processes.stop(Service::Query).await;
    assert_eq!(read_times().await, 22, "the last read is recorded, and none twice");
    assert!(verified(&world, None).await.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_operator_does_is_recorded_or_not_done() {
    let world = World::start().await;
    let (code, ..) = operate(&world, &["lanes", "--cut", "3"]).await;
    assert_eq!(code, Some(0));
    // There is nothing to drop, and that is no reason not to say who tried.
    let (code, ..) = operate(&world, &["rebuild", "profile", "drop"]).await;
    assert_eq!(code, Some(1));
    let all = entries(&world, &["--tenant", "*"]).await;
    let acts: Vec<_> =
        all.iter().map(|line| (line["entry"]["act"].as_str(), line["entry"]["by"]["id"].as_str())).collect();
    assert_eq!(acts, [(Some("lanes.cut"), Some("ada")), (Some("read_model.drop"), Some("ada"))]);

    // A look changes nothing.
    operate(&world, &["lanes"]).await;
    operate(&world, &["rebuild"]).await;
    assert_eq!(entries(&world, &[]).await.len(), 2);

    let mut command = Command::new(keepsake());
    command.args(["lanes", "--cut", "5", "--database-url", &world.database.writer]);
    command.env_remove("KEEPSAKE_VAULT_URL").env_remove("KEEPSAKE_KEK_FILE");
    let output = command.output().await.expect("runs");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("KEEPSAKE_VAULT_URL"), "{output:?}");
    let admin = world.database.connect(&world.database.read_admin).await;
    let lanes: i64 = admin.query_one("SELECT count(*) FROM keepsake.lane", &[]).await.expect("asks").get(0);
    assert_eq!(lanes, 3, "nothing was cut");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_something_done_later_is_on_record_once_and_by_their_own_name() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    let later = async |id: &str| {
        let headers = [
            ("X-Tenant-ID", "demo"),
            ("Content-Type", "application/json"),
            ("Prefer", "respond-async"),
            ("Idempotency-Key", id),
        ];
        let path = "/api/v1/tenants/demo/suspend";
        let answer = client.http(Method::POST, path, &headers, r#"{"reason":"abuse"}"#).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED);
        client.verdict(id).await;
    };
    later("by-admin").await;
    // What somebody writes into the header of a durable command himself is left aside.
    let mut headers = HeaderMap::new();
    headers.insert("Keepsake-Command-Id", "forged");
    headers.insert("Keepsake-Sender", "eyJraW5kIjoic2VydmljZSIsImlkIjoibG95YWx0eSJ9.00");
    let subject = "cmdq.demo.tenant.resume";
    client.nats.publish_with_headers(subject, headers, "{}".into()).await.expect("published");
    client.verdict("forged").await;
    let all = entries(&world, &["--tenant", "demo", "--act", "tenant."]).await;
    let by: Vec<_> =
        all.iter().map(|line| (line["entry"]["act"].as_str(), line["entry"]["by"]["kind"].as_str())).collect();
    let nats = Some("nats");
    assert_eq!(
        by,
        [(Some("tenant.provision"), nats), (Some("tenant.suspend"), Some("person")), (Some("tenant.resume"), nats)]
    );
    services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_makes_guests_one_or_two_is_on_record() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    for name in ["ada", "bob"] {
        client.register(name).await;
    }
    for id in ["merge-1", "merge-1"] {
        client.accepted("guest.merge", Some(id), r#"{"guest_id":"ada","absorbed_id":"bob"}"#).await;
    }
    client.refused("guest.unmerge", Some("unmerge-1"), r#"{"guest_id":"ada","merge_id":"mrg_0"}"#).await;
    let all = entries(&world, &["--tenant", "demo", "--act", "guest."]).await;
    let acts: Vec<_> = all.iter().map(|line| (&line["entry"]["act"], &line["entry"]["detail"])).collect();
    let said = |act: &str, id: &str| (Value::from(act), Value::from(format!("command {id}")));
    let expected = [said("guest.merge", "merge-1"), said("guest.unmerge", "unmerge-1")];
    assert_eq!(acts, expected.iter().map(|(act, detail)| (act, detail)).collect::<Vec<_>>());
    assert!(verified(&world, None).await.0);
    services.stop().await;
}
