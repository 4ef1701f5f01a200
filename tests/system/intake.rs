//! The durable intake: what it has taken is carried out once, in order, whoever is killed; what cannot be is kept.

mod broken_headers;
mod dead_letters;

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, SystemTime};

use async_nats::jetstream;
use event_log::intake;
use futures_util::future::join_all;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use proto::Commit;
use proto::subject::INTAKE_STREAM;

use keepsake_tests::harness::{Client, Processes, Service, World, eventually, history, log, services};

/// After which a delivery is repeated.
const ACK_WAIT: Duration = Duration::from_secs(10);
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

async fn waiting(client: &Client) -> u64 {
    intake::info(&client.nats).await.expect("the intake").waiting
}

async fn until_empty(client: &Client) {
    eventually("the intake is empty", async || (intake::info(&client.nats).await.ok()?.waiting == 0).then_some(()))
        .await;
}

/// Each command is in the log once, a guest's in the order they were sent, and each has its verdict.
async fn expect_all_carried_out(client: &Client) {
    let entries = log::read(&client.nats).await;
    let (mut of_guest, mut all) = (HashMap::<String, Vec<u32>>::new(), BTreeSet::new());
    let number = |commit: &Commit| commit.command_id.strip_prefix("c-")?.parse::<u32>().ok();
    for entry in &entries {
        if let Some(number) = number(&entry.commit) {
            assert!(all.insert(number), "{number} was carried out twice");
            of_guest.entry(entry.subject.owner.to_string()).or_default().push(number);
        }
    }
    assert_eq!(of_guest.len(), GUESTS as usize);
    assert_eq!(all, (0..COMMANDS).collect());
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
    let mut kills_that_met_something = 0;
    let killing = async {
        for round in 1..=4_u64 {
            let enough = u64::from(COMMANDS) * round / 6;
            eventually("the intake is being emptied", async || {
                let log = event_log::stream::info(&client.nats).await.expect("the log");
                (log.last_position >= enough).then_some(())
            })
            .await;
            processes.kill(Service::Command).await;
            kills_that_met_something += u32::from(waiting(&client).await > 0);
            processes.start_one(Service::Command).await;
        }
    };
    tokio::join!(sending, killing);
    assert!(kills_that_met_something > 0, "no kill met a command on its way: the run proves nothing");
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
    // Whichever of the two has it, it changes hands.
    let ((), stopped) = tokio::join!(send_all(&client, 0, COMMANDS / 2), first.stop());
    stopped.expect("stops");
    let third = services::command(&world).await;
    let ((), stopped) = tokio::join!(send_all(&client, COMMANDS / 2, COMMANDS), second.stop());
    stopped.expect("stops");
    let client = Client::new(&world, &third.url(), "demo").await;
    until_empty(&client).await;
    expect_all_carried_out(&client).await;
    third.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_replicas_keep_the_intake_when_a_server_is_killed() {
    let mut world = World::start_replicated().await;
    let command = services::command(&world).await;
    let client = Client::new(&world, &command.url(), "demo").await;
    history::set_up(&client, []).await;
    command.stop().await.expect("stops");
    send_all(&client, 0, COMMANDS).await;
    let command = services::command(&world).await;
    let leader = world.nats.leader(&client.nats).await;
    world.nats.kill_9(leader).await;
    world.nats.restart(leader).await;
    let client = Client::new(&world, &command.url(), "demo").await;
    until_empty(&client).await;
    expect_all_carried_out(&client).await;
    command.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_behind_an_absent_vault_is_carried_out_when_it_is_back_and_judged_once() {
    let world = World::start().await;
    let command = services::command(&world).await;
    let client = Client::new(&world, &command.url(), "demo").await;
    client.provision().await;
    let mut told = client.nats.subscribe("verdict.demo.>").await.expect("subscribes");
    let stalled = crate::doors::stall_the_vault(&world).await;
    send_all(&client, 0, COMMANDS).await;
    eventually("the deliveries are older than the server waits for them to be acknowledged", async || {
        let stream = jetstream::new(client.nats.clone()).get_stream(INTAKE_STREAM).await.expect("the intake");
        let consumers: Vec<_> = stream.consumers().try_collect().await.expect("consumers");
        let last = SystemTime::from(consumers.first()?.delivered.last_active?);
        (last.elapsed().ok()? > ACK_WAIT).then_some(())
    })
    .await;
    drop(stalled);
    until_empty(&client).await;
    expect_all_carried_out(&client).await;
    let all = tokio::time::timeout(ACK_WAIT, told.by_ref().take(COMMANDS as usize).count()).await;
    assert_eq!(all.expect("each verdict is told"), COMMANDS as usize);
    client.nats.flush().await.expect("flushes");
    assert!(told.next().now_or_never().is_none(), "a verdict is told twice");
    command.stop().await.expect("stops");
}
