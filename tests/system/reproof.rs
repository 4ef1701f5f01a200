//! What an acknowledged command survives is proved on every connection, and a stream that would lose commands is refused.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, StorageType};
use event_log::stream::{self, StreamOptions};
use event_log::{NatsAddress, User};
use keepsake_cli::commander::Outcome;
use keepsake_cli::servers::{Nats, NatsOptions};

use keepsake_tests::harness::{Client, World, eventually, services, tools};

const NEW: &str = r#"{"identifier":""}"#;

/// What becomes of one registration: its level, or its code; nothing when nobody answers.
async fn register(client: &Client) -> Option<Result<String, String>> {
    match client.send("guest.register", None, NEW).await {
        Outcome::Accepted(reply) => {
            Some(Ok(serde_json::from_slice::<proto::Reply>(&reply).expect("a reply").durability))
        }
        Outcome::Refused { problem, .. } => Some(Err(problem.code)),
        Outcome::NoAnswer(_) => None,
    }
}

async fn crash_and_return(world: &mut World, sync_always: bool) {
    let options = NatsOptions { sync_always, ..NatsOptions::new(world.folder().join("nats")) };
    world.nats.kill_9(0).await;
    world.nats.restart_with(0, &options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_back_without_fsync_is_given_no_command_until_it_syncs_again() {
    let mut world = World::start().await;
    let command = services::command(&world).await;
    let client = Client::new(&world, &command.url(), "demo").await;
    assert_eq!(client.provision().await.durability, "fsync");
    assert_eq!(register(&client).await, Some(Ok("fsync".to_owned())));
    crash_and_return(&mut world, false).await;
    eventually("commands are refused for want of durability", async || {
        let outcome = register(&client).await;
        assert!(!matches!(outcome, Some(Ok(_))), "accepted on a server that does not sync: {outcome:?}");
        (outcome? == Err("log_not_durable".to_owned())).then_some(())
    })
    .await;
    crash_and_return(&mut world, true).await;
    let level = eventually("commands are accepted again", async || register(&client).await?.ok()).await;
    assert_eq!(level, "fsync");
    command.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_back_as_it_was_is_proved_again() {
    let mut world = World::start().await;
    let command = services::command(&world).await;
    let client = Client::new(&world, &command.url(), "demo").await;
    client.provision().await;
    crash_and_return(&mut world, true).await;
    let level = eventually("commands are accepted again", async || register(&client).await?.ok()).await;
    assert_eq!(level, "fsync");
    command.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_would_lose_commits_is_refused_with_each_fault_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let nats = Nats::start(&tools(), &NatsOptions::new(folder.path().join("nats"))).await.expect("nats-server starts");
    let client = event_log::connect(&NatsAddress::open(nats.url()), User::Migrate, "test").await.expect("connects");
    let wrong = Config {
        name: "EVT".to_owned(),
        subjects: vec!["es.>".to_owned(), "elsewhere".to_owned()],
        storage: StorageType::Memory,
        discard: DiscardPolicy::Old,
        max_age: Duration::from_hours(1),
        max_messages: 1_000,
        ..Config::default()
    };
    async_nats::jetstream::new(client.clone()).create_stream(wrong).await.expect("a stream");
    let options = StreamOptions { replicas: 1, max_bytes: 1 << 20 };
    let refusals = [stream::ensure(&client, options).await, stream::info(&client).await];
    for refusal in refusals.map(|refused| refused.expect_err("no log").to_string()) {
        let settings = ["subjects", "storage", "discard", "max_age", "max_msgs", "allow_direct", "allow_atomic"];
        for setting in settings.iter().chain(&["deny_purge", "log_id", "nats stream edit EVT"]) {
            assert!(refusal.contains(setting), "{setting} is not named: {refusal}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standalone_server_is_the_one_peer_of_its_log() {
    let world = World::start().await;
    let client = world.nats.connect().await;
    let log = stream::info(&client).await.expect("the log");
    assert_eq!(log.peers, [client.server_info().server_name]);
}
