//! The durable intake: what it has taken is carried out once, in order, whoever is killed; what cannot be is kept.

use std::collections::HashMap;

use async_nats::jetstream;
use event_log::intake;
use futures_util::future::join_all;
use proto::Commit;
use proto::subject::{INTAKE_STREAM, INTAKE_SUBJECTS};
use serde_json::json;
use tokio::process::Command;

use keepsake_tests::harness::{Client, InProcess, Processes, Service, World, eventually, keepsake, log, services};

const COMMANDS: u32 = 1_500;
const GUESTS: u32 = 40;

fn record(guest: u32, number: u32) -> String {
    format!(r#"{{"guest_id":"guest-{guest}","kind":"a","topic":"{number}"}}"#)
}

/// A stream of commands from one sender: every guest is registered by the first that is about it.
async fn send_all(client: &Client, from: u32, to: u32) {
    for number in from..to {
        let guest = number % GUESTS;
        if number < GUESTS {
            let body = format!(r#"{{"identifier":"guest-{guest}"}}"#);
            client.durable("guest.register", &format!("c-{number}"), &body).await;
        } else {
            client.durable("interactions.record", &format!("c-{number}"), &record(guest, number)).await;
        }
    }
}

async fn until_empty(client: &Client) {
    eventually("the intake is empty", async || (intake::info(&client.nats).await.ok()?.waiting == 0).then_some(()))
        .await;
}

/// Each command is in the log once, a guest's in the order they were sent, and each has its verdict.
async fn expect_all_carried_out(client: &Client) {
    let entries = log::read(&client.nats).await;
    let mut of_guest: HashMap<String, Vec<u32>> = HashMap::new();
    let number = |commit: &Commit| commit.command_id.strip_prefix("c-")?.parse::<u32>().ok();
    for entry in &entries {
        if let Some(number) = number(&entry.commit) {
            of_guest.entry(entry.subject.owner.to_string()).or_default().push(number);
        }
    }
    assert_eq!(of_guest.len(), GUESTS as usize);
    assert_eq!(of_guest.values().map(Vec::len).sum::<usize>(), COMMANDS as usize, "each command once");
    for (guest, numbers) in of_guest {
        assert!(numbers.is_sorted(), "{guest}: {numbers:?}");
    }
    let verdicts =
        join_all((0..COMMANDS).step_by(25).map(|number| async move { client.verdict(&format!("c-{number}")).await }));
    for verdict in verdicts.await {
        assert_eq!(verdict["status"], "accepted", "{verdict}");
    }
    assert_eq!(intake::info(&client.nats).await.expect("the intake").dead, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_taken_while_the_service_was_down_is_carried_out_in_order() {
    let world = World::start().await;
    let command = services::command(&world).await;
    let client = Client::new(&world, &command.url(), "demo").await;
    client.provision().await;
    command.stop().await.expect("stops");

    send_all(&client, 0, COMMANDS).await;
    let command = services::command(&world).await;
    let client = Client::new(&world, &command.url(), "demo").await;
    until_empty(&client).await;
    expect_all_carried_out(&client).await;
    command.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_between_taking_and_carrying_out_loses_doubles_and_reorders_nothing() {
    let world = World::start().await;
    let mut processes = Processes::start_only(&world, &[Service::Command]).await;
    let client = Client::new(&world, &processes.url(Service::Command), "demo").await;
    client.provision().await;
    processes.kill(Service::Command).await;
    send_all(&client, 0, COMMANDS / 2).await;
    processes.start_one(Service::Command).await;
    let sending = async {
        send_all(&client, COMMANDS / 2, COMMANDS).await;
    };
    let killing = async {
        for round in 1..=4_u64 {
            let enough = u64::from(COMMANDS) * round / 6;
            eventually("the intake is being emptied", async || {
                let log = event_log::stream::info(&client.nats).await.expect("the log");
                (log.last_position >= enough).then_some(())
            })
            .await;
            processes.kill(Service::Command).await;
            processes.start_one(Service::Command).await;
        }
    };
    tokio::join!(sending, killing);
    until_empty(&client).await;
    expect_all_carried_out(&client).await;
    assert!(!processes.logged(Service::Command).contains("panicked"), "command-service panicked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_of_nats_server_loses_doubles_and_reorders_nothing() {
    let mut world = World::start().await;
    let mut processes = Processes::start_only(&world, &[Service::Command]).await;
    let client = Client::new(&world, &processes.url(Service::Command), "demo").await;
    client.provision().await;
    processes.kill(Service::Command).await;
    send_all(&client, 0, COMMANDS).await;
    processes.start_one(Service::Command).await;
    for round in 1..=2_u64 {
        eventually("the intake is being emptied", async || {
            let log = event_log::stream::info(&client.nats).await.ok()?;
            (log.last_position >= u64::from(COMMANDS) * round / 3).then_some(())
        })
        .await;
        world.nats.kill_9(0).await;
        world.nats.restart(0).await;
    }
    until_empty(&client).await;
    expect_all_carried_out(&client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_instance_empties_the_intake_and_another_goes_on_where_it_stops() {
    let world = World::start().await;
    let (first, second) = (services::command(&world).await, services::command(&world).await);
    let client = Client::new(&world, &second.url(), "demo").await;
    client.provision().await;
    send_all(&client, 0, COMMANDS / 2).await;
    let holders = jetstream::new(client.nats.clone()).get_stream(INTAKE_STREAM).await.expect("the intake");
    assert_eq!(holders.cached_info().state.consumer_count, 1, "one of two holds it");
    let ((), stopped) = tokio::join!(send_all(&client, COMMANDS / 2, COMMANDS), first.stop());
    stopped.expect("stops");
    until_empty(&client).await;
    expect_all_carried_out(&client).await;
    second.stop().await.expect("stops");
}

/// `keepsake intake …` and what it says.
async fn cli(world: &World, args: &[&str]) -> String {
    let output = Command::new(keepsake()).arg("intake").args(args).env("NATS_URL", world.nats.url()).output().await;
    let output = output.expect("runs");
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    assert!(output.status.success(), "{args:?}: {said}");
    said
}

async fn until_dead(client: &Client, count: u64) {
    eventually("the dead letters are there", async || {
        (intake::info(&client.nats).await.expect("the intake").dead == count).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_never_be_carried_out_is_kept_until_somebody_sends_it_again_or_drops_it() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    let late = client.of("late");
    late.durable("guest.register", "too-early", r#"{"identifier":"ada"}"#).await;
    client.durable("guest.register", "broken", "{").await;
    client.durable("guest.invent", "unknown", "{}").await;
    client.durable("interactions.record", "refused", r#"{"guest_id":"nobody","kind":"a"}"#).await;
    client.durable("guest.register", "good", r#"{"identifier":"bob"}"#).await;
    let nameless = jetstream::new(client.nats.clone());
    let sent = nameless.publish("cmdq.demo.guest.register", r#"{"identifier":"cyd"}"#.into()).await;
    sent.expect("publishes").await.expect("is acknowledged");
    until_dead(&client, 3).await;
    until_empty(&client).await;

    let listed = cli(&world, &["list"]).await;
    for word in ["too-early", "tenant_unknown", "broken", "malformed_json", "unknown_command", "3 dead letters"] {
        assert!(listed.contains(word), "{word} is missing: {listed}");
    }
    assert_eq!(client.verdict("good").await["status"], "accepted");
    assert_eq!(client.verdict("broken").await["problem"]["code"], "malformed_json");
    let refused = client.verdict("refused").await;
    assert_eq!(refused["problem"]["code"], "guest_not_found", "the rules' word is no dead letter");

    late.provision().await;
    assert!(cli(&world, &["retry", "--all"]).await.contains("sent again: 3"));
    until_empty(&client).await;
    assert_eq!(late.verdict("too-early").await["status"], "accepted");
    until_dead(&client, 2).await;
    assert!(cli(&world, &["drop", "--all"]).await.contains("dropped: 2"));
    until_dead(&client, 0).await;
    services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_id_used_for_another_command_keeps_its_verdict() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    client.durable("guest.register", "mine", r#"{"identifier":"ada"}"#).await;
    client.durable("guest.register", "mine", r#"{"identifier":"ada","attributes":{"a":1}}"#).await;
    until_dead(&client, 1).await;
    assert!(cli(&world, &["list"]).await.contains("idempotency_key_reused"));
    assert_eq!(client.verdict("mine").await["status"], json!("accepted"));
    let waiting = jetstream::new(client.nats.clone()).get_stream(INTAKE_STREAM).await.expect("the intake");
    assert_eq!(waiting.cached_info().config.subjects, [INTAKE_SUBJECTS]);
    services.stop().await;
}
