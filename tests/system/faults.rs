//! `kill -9` under load: what was acknowledged stays, once and where it was said to be; what was unclear is settled by asking
//! again. `KEEPSAKE_KILLS` asks for more kills than the usual few.

pub(crate) mod load;

use keepsake_tests::harness::{Client, Processes, Service, World, log};

use load::Load;

/// Commands that must be carried out between two kills; no two waits are alike, so neither are the points hit.
const AT_LEAST: u64 = 40;
const STEP: u64 = 37;

fn kills(usual: u64) -> impl Iterator<Item = u64> {
    let asked = std::env::var("KEEPSAKE_KILLS").ok().map(|kills| kills.parse().expect("KEEPSAKE_KILLS is a number"));
    0..asked.unwrap_or(usual)
}

/// Waits until the load has got on, by another amount each time.
async fn progress(load: &Load, kill: u64) {
    load.until_further(AT_LEAST + kill * STEP % AT_LEAST).await;
}

/// Ends the load and holds what it was told against the log.
async fn settled(load: Load, client: &Client, processes: &Processes) {
    let told = load.stop().await;
    assert!(told.resent > 0, "no kill met a command under way: the run proves nothing");
    log::verify(&client.nats, &told).await;
    load::expect_lawful(&told);
    assert!(!processes.logged(Service::Command).contains("panicked"), "command-service panicked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_command_is_lost_or_doubled_when_command_service_is_killed() {
    let world = World::start().await;
    let mut processes = Processes::start_only(&world, &[Service::Command]).await;
    let client = Client::new(&world, &processes.url(Service::Command), "demo").await;
    let load = Load::start(&client).await;
    for kill in kills(8) {
        progress(&load, kill).await;
        processes.kill(Service::Command).await;
        processes.start_one(Service::Command).await;
    }
    progress(&load, 0).await;
    settled(load, &client, &processes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_command_is_lost_or_doubled_when_nats_server_is_killed() {
    let mut world = World::start().await;
    let processes = Processes::start_only(&world, &[Service::Command]).await;
    let client = Client::new(&world, &processes.url(Service::Command), "demo").await;
    let load = Load::start(&client).await;
    for kill in kills(5) {
        progress(&load, kill).await;
        world.nats.kill_9(0).await;
        world.nats.restart(0).await;
    }
    progress(&load, 0).await;
    settled(load, &client, &processes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_command_is_lost_or_doubled_when_the_leader_of_three_is_killed() {
    let mut world = World::start_replicated().await;
    let processes = Processes::start_only(&world, &[Service::Command]).await;
    let client = Client::new(&world, &processes.url(Service::Command), "demo").await;
    let load = Load::start(&client).await;
    for kill in kills(3) {
        progress(&load, kill).await;
        let leader = world.nats.leader(&client.nats).await;
        world.nats.kill_9(leader).await;
        // Two of three are enough.
        progress(&load, kill).await;
        world.nats.restart(leader).await;
        world.nats.until_current(&client.nats).await;
    }
    progress(&load, 0).await;
    settled(load, &client, &processes).await;
}
