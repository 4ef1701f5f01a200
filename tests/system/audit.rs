//! The audit trail: what stands in it, and that nobody can change it unnoticed.

use std::path::Path;

use async_nats::HeaderMap;
use axum::http::{Method, StatusCode};
use futures_util::future::join_all;
use keepsake_cli::dev_issuer::{Bearer, Grant};
use keepsake_tests::harness::{Client, InProcess, Processes, Service, World, eventually, keepsake};
use runtime::auth::Role;
use runtime::config::Secret;
use serde_json::Value;
use tokio::process::Command;
use tokio_postgres::error::SqlState;
use vault::Vault;
use vault::audit::{Act, Actor, Chain, Entries, Entry};

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

fn vault(world: &World, url: &str) -> Vault {
    Vault::connect(&Secret::new(url.to_owned()), &world.key_file()).expect("a vault")
}

fn chain() -> Chain {
    "demo".parse().expect("a token")
}

fn entry(number: usize) -> Entry {
    Entry { detail: number.to_string(), ..Entry::now(Actor::operator("ada"), Act::new("test.act")) }
}

/// So many entries, two at a time.
async fn record(vault: &Vault, count: usize) {
    for number in 1..=count / 2 {
        vault.record(&mut Entries::new(chain(), &[entry(number), entry(number)])).await.expect("recorded");
    }
}

const RESTORED: &str = "DELETE FROM audit.entry; INSERT INTO audit.entry SELECT * FROM public.kept";

/// The administrator of the vault, once a copy of the trail is made.
async fn copied(world: &World) -> tokio_postgres::Client {
    let admin = world.database.connect(&world.database.vault_admin()).await;
    admin.batch_execute("CREATE TABLE public.kept AS SELECT * FROM audit.entry").await.expect("keeps a copy");
    admin
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
async fn whatever_is_changed_in_the_trail_is_found() {
    let world = World::start().await;
    let vault = vault(&world, &world.database.vault_keeper);
    record(&vault, 10).await;
    vault.record(&mut Entries::new(Chain::Installation, &[entry(1)])).await.expect("recorded");
    let (is_whole, said) = verified(&world, None).await;
    assert!(is_whole && said.contains("demo  10 entries") && said.contains("*  1 entries"), "{said}");
    let admin = copied(&world).await;
    let cases = [
        (
            "UPDATE audit.entry SET text = replace(text, 'ada', 'bob') WHERE chain = 'demo' AND seq = 4",
            "entry 4 is not as it was written",
        ),
        ("DELETE FROM audit.entry WHERE chain = 'demo' AND seq = 4", "entry 4 is gone"),
        ("DELETE FROM audit.entry WHERE chain = 'demo' AND seq < 4", "entry 1 is gone"),
        (
            "UPDATE audit.entry SET seq = seq + 100 WHERE chain = 'demo' AND seq > 4; UPDATE audit.entry SET seq = seq - 101 WHERE chain = 'demo' AND seq > 105; \
             DELETE FROM audit.entry WHERE seq = 105",
            "entry 5 is not as it was written",
        ),
        (
            "INSERT INTO audit.entry SELECT chain, 11, text, mac FROM audit.entry WHERE chain = 'demo' AND seq = 10",
            "entry 11 is not as it was written",
        ),
        ("UPDATE audit.entry SET chain = 'other' WHERE chain = '*'", "entry 1 is not as it was written"),
        ("UPDATE audit.entry SET chain = 'a.b' WHERE chain = '*'", "nobody of ours writes"),
        // One fault hides no other.
        (
            "UPDATE audit.entry SET text = '{}' WHERE chain = 'demo' AND seq IN (2, 8)",
            "entry 8 is not as it was written",
        ),
    ];
    for (change, finding) in cases {
        admin.batch_execute(change).await.expect("changes");
        let (is_whole, said) = verified(&world, None).await;
        assert!(!is_whole && said.contains(finding), "{change}: {said}");
        admin.batch_execute(RESTORED).await.expect("restores");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_cut_off_at_the_end_and_a_chain_begun_anew_are_found_by_the_heads_that_were_noted() {
    let world = World::start().await;
    let vault = vault(&world, &world.database.vault_keeper);
    record(&vault, 10).await;
    vault.record(&mut Entries::new(Chain::Installation, &[entry(1)])).await.expect("recorded");
    let (_, heads, _) = operate(&world, &["audit", "heads"]).await;
    let noted = world.folder().join("heads");
    std::fs::write(&noted, &heads).expect("writes");
    assert!(verified(&world, Some(&noted)).await.0);
    let admin = copied(&world).await;
    for (change, finding) in [
        ("DELETE FROM audit.entry WHERE chain = 'demo' AND seq > 7", "entries up to 10 were noted"),
        ("DELETE FROM audit.entry WHERE chain = '*'", "entries up to 1 were noted"),
    ] {
        admin.batch_execute(change).await.expect("changes");
        assert!(verified(&world, None).await.0);
        let (is_whole, said) = verified(&world, Some(&noted)).await;
        assert!(!is_whole && said.contains(finding), "{said}");
        admin.batch_execute(RESTORED).await.expect("restores");
    }
    // A chain that was begun anew is whole in itself.
    admin.batch_execute("DELETE FROM audit.entry").await.expect("changes");
    record(&vault, 12).await;
    assert!(verified(&world, None).await.0);
    let (is_whole, said) = verified(&world, Some(&noted)).await;
    assert!(!is_whole && said.contains("entry 10 is another one than the noted head says"), "{said}");
    // An entry of the former chain was written by us, under the same number, and does not belong here all the same.
    let taken_over = "UPDATE audit.entry AS e SET text = k.text, mac = k.mac FROM public.kept AS k
                      WHERE e.chain = 'demo' AND k.chain = 'demo' AND e.seq = 7 AND k.seq = 7";
    admin.batch_execute(taken_over).await.expect("changes");
    let (is_whole, said) = verified(&world, None).await;
    assert!(!is_whole && said.contains("entry 7 is not as it was written"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_record_at_once_make_one_chain() {
    let world = World::start().await;
    let url = &world.database.vault_keeper;
    let processes: Vec<Vault> = (0..6).map(|_| vault(&world, url)).collect();
    let record = async |vault: &Vault, first: usize| {
        for number in first..first + 20 {
            vault.record(&mut Entries::new(chain(), &[entry(number)])).await.expect("recorded");
        }
    };
    join_all(processes.iter().zip((0..).step_by(20)).map(|(vault, first)| record(vault, first))).await;
    let all = entries(&world, &[]).await;
    let mut numbers: Vec<usize> =
        all.iter().map(|line| line["entry"]["detail"].as_str().expect("a number").parse().expect("a number")).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..120).collect::<Vec<_>>(), "each once");
    assert!(verified(&world, None).await.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_add_entries_and_do_nothing_else_to_them() {
    let world = World::start().await;
    let keeper = vault(&world, &world.database.vault_keeper);
    keeper.record(&mut Entries::new(chain(), &[entry(1)])).await.expect("recorded");
    let databases = &world.database;
    for (url, may_read) in
        [(&databases.vault_keeper, false), (&databases.vault_lookup, false), (&databases.vault_opener, true)]
    {
        vault(&world, url).record(&mut Entries::new(chain(), &[entry(2)])).await.expect("recorded");
        let connection = databases.connect(url).await;
        let forbidden = [
            "UPDATE audit.entry SET text = ''",
            "UPDATE audit.entry SET mac = ''",
            "DELETE FROM audit.entry",
            "TRUNCATE audit.entry",
            "DROP TABLE audit.entry",
            "ALTER TABLE audit.entry ADD COLUMN x text",
            "CREATE TRIGGER x BEFORE INSERT ON audit.entry EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "CREATE TABLE audit.x ()",
        ];
        for statement in forbidden {
            let refused = connection.batch_execute(statement).await.expect_err(statement);
            assert_eq!(refused.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{statement}: {refused}");
        }
        assert_eq!(connection.batch_execute("SELECT text FROM audit.entry").await.is_ok(), may_read, "{url}");
    }
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
async fn entries_that_the_database_leaves_out_are_missed_at_once() {
    let world = World::start().await;
    let admin = world.database.connect(&world.database.vault_admin()).await;
    let swallow = "CREATE FUNCTION public.swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
                   CREATE TRIGGER swallow BEFORE INSERT ON audit.entry FOR EACH ROW EXECUTE FUNCTION public.swallow()";
    admin.batch_execute(swallow).await.expect("changes");
    let vault = vault(&world, &world.database.vault_keeper);
    assert!(vault.record(&mut Entries::new(chain(), &[entry(1)])).await.is_err());
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
