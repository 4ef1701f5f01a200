//! An owner with a long past is known from the latest snapshot in its own subject, and every command of that past is remembered.

use event_log::direct_get::{self, StoredCommit};
use futures_util::{StreamExt as _, stream};
use keepsake_tests::harness::{Client, InProcess, Service, World, services};
use prost::Message as _;
use proto::subject::{LogSubject, Owner};
use proto::{Commit, Reply, header};
use runtime::config::Secret;
use vault::{GuestKeys, Vault};

/// More than an owner's state lists by position.
const COMMANDS: usize = 420;
const RECORD: &str = r#"{"guest_id":"ada","kind":"product.viewed","topic":"jazz"}"#;

async fn record(client: &Client, number: usize) -> Reply {
    client.accepted("interactions.record", Some(&format!("c-{number}")), RECORD).await
}

/// Ada, and her commands.
async fn a_long_past(client: &Client, commands: usize) -> (LogSubject, Vec<Reply>) {
    client.provision().await;
    let ada = client.register("ada").await;
    let subject = LogSubject::new("demo".parse().expect("a token"), ada.guest_id.parse::<Owner>().expect("an id"));
    let replies = stream::iter(0..commands).then(|number| record(client, number)).collect().await;
    (subject, replies)
}

async fn stored(client: &Client, subject: &LogSubject) -> Vec<(u64, Commit)> {
    let commits = direct_get::commits(&client.nats, subject, 1).await.expect("the log");
    let decode = |StoredCommit { position, payload }| (position, Commit::decode(payload).expect("a commit"));
    commits.into_iter().map(decode).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_hundredth_commit_carries_the_state_and_names_the_one_before() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    let (subject, _) = a_long_past(&client, COMMANDS).await;
    let mut latest = 0;
    let mut snapshots = Vec::new();
    for (index, (position, commit)) in stored(&client, &subject).await.into_iter().enumerate() {
        assert_eq!(commit.snapshot_position, latest);
        if let Some(snapshot) = commit.snapshot {
            assert!(!snapshot.nonce.is_empty(), "a guest's state is sealed");
            latest = position;
            snapshots.push(index + 1);
        }
    }
    assert_eq!(snapshots, [100, 200, 300, 400]);
    services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_never_saw_the_guest_goes_on_where_the_other_was_and_remembers_every_command() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    let (subject, replies) = a_long_past(&client, COMMANDS).await;
    services.command.stop().await.expect("stops");
    let fresh = services::command(&world).await;
    for (number, first) in replies.iter().enumerate() {
        let again = record(&client, number).await;
        assert_eq!(again, Reply { replayed: true, ..first.clone() });
    }
    assert_eq!(record(&client, COMMANDS).await.version, COMMANDS as u64 + 1);
    assert_eq!(stored(&client, &subject).await.len(), COMMANDS + 2, "the registration, and each command once");
    fresh.stop().await.expect("stops");
}

/// What the commits of a guest are sealed with.
async fn keys(world: &World, subject: &LogSubject) -> std::sync::Arc<GuestKeys> {
    let environment = world.environment(Service::Command);
    let url = Secret::new(environment["KEEPSAKE_VAULT_URL"].clone());
    let vault = Vault::connect(&url, environment["KEEPSAKE_KEK_FILE"].as_ref()).expect("a vault");
    let guest = (subject.tenant.clone(), subject.owner.clone());
    vault.keys_of(std::slice::from_ref(&guest)).await.expect("keys").remove(&guest).expect("a guest")
}

/// Appends the guest's last commit once more under another id, with an old state that another fold is said to have made.
async fn append_a_foreign_snapshot(world: &World, client: &Client, subject: &LogSubject) {
    let keys = keys(world, subject).await;
    let commits = stored(client, subject).await;
    let (_, carrier) = commits.iter().rfind(|(_, commit)| commit.snapshot.is_some()).expect("a snapshot");
    let snapshot = carrier.snapshot.as_ref().expect("just seen");
    let old = vault::open_state(subject, &carrier.command_id, snapshot, Some(&keys)).expect("opens");
    let (position, last) = commits.last().expect("commits");
    let (command_id, fingerprint) = ("foreign".to_owned(), [7; 16]);
    let snapshot = vault::seal_state(subject, &command_id, &fingerprint, Some(&keys), &old).expect("seals");
    let version = last.version + last.events.len() as u64;
    let commit = Commit { command_id, version, snapshot: Some(snapshot), addressed_as: None, ..last.clone() };
    let mut headers = async_nats::HeaderMap::new();
    headers.insert(header::EXPECTED_LAST_SUBJECT_SEQUENCE, position.to_string());
    let sent = client.nats.request_with_headers(subject.to_string(), headers, commit.encode_to_vec().into()).await;
    let answer = String::from_utf8_lossy(&sent.expect("an answer").payload).into_owned();
    assert!(!answer.contains("error"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_of_another_fold_is_not_read() {
    const SINCE: usize = 110;
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    let (subject, replies) = a_long_past(&client, SINCE).await;
    services.command.stop().await.expect("stops");
    append_a_foreign_snapshot(&world, &client, &subject).await;
    let fresh = services::command(&world).await;
    let last = SINCE - 1;
    let again = record(&client, last).await;
    assert_eq!(again.position, replies[last].position, "the old state does not know this command");
    assert!(again.replayed);
    assert_eq!(record(&client, SINCE).await.version, SINCE as u64 + 2);
    fresh.stop().await.expect("stops");
}
