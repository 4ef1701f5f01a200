//! An acknowledgement follows its fsync: seen in the system calls of the server itself, not believed.

mod proof;
mod strace;
mod trace;

use futures_util::future::join_all;
use proto::Reply;

use keepsake_tests::harness::{Client, History, World, history, services};

use proof::Fault;
use strace::Strace;

const LONE_COMMANDS: u64 = 200;
const CALLERS: u64 = 64;
/// A caller's commands, so 512 altogether.
const COMMANDS_EACH: u64 = 8;

/// Commands from one caller, then from many at once, each of them about a guest of theirs; answers the trace of the server
/// meanwhile. `None` when this machine lets nobody watch.
async fn watched(world: &World) -> Option<(String, Vec<Reply>)> {
    let command = services::command(world).await;
    let setup = Client::new(world, &command.url(), "demo").await;
    setup.provision().await;
    join_all((0..CALLERS).map(|guest| {
        let setup = setup.clone();
        async move { setup.register(&format!("guest-{guest}")).await }
    }))
    .await;
    let strace = Strace::attach(world.nats.server(0).pid(), &world.folder().join("trace")).await?;
    // A connection of the watched time: its bytes are seen from the first one on.
    let client = Client::new(world, &command.url(), "demo").await;
    let lone = call(&client, "lone", 0, LONE_COMMANDS).await;
    let many = join_all((0..CALLERS).map(|caller| call(&client, "many", caller, COMMANDS_EACH))).await;
    let trace = strace.detach().await;
    command.stop().await.expect("stops");
    let told: History = many.into_iter().chain([lone]).collect();
    assert_eq!(told.accepted.len() as u64, LONE_COMMANDS + CALLERS * COMMANDS_EACH, "{:?}", told.refused.first());
    Some((trace, told.accepted))
}

async fn call(client: &Client, name: &str, guest: u64, commands: u64) -> History {
    let json = format!(r#"{{"guest_id":"guest-{guest}","kind":"product.viewed"}}"#);
    let mut told = History::default();
    for turn in 0..commands {
        let id = format!("{name}-{guest}-{turn}");
        told = told.and(history::insist(client, "interactions.record", &id, &json).await);
    }
    told
}

fn ids(replies: &[Reply]) -> Vec<&str> {
    replies.iter().map(|reply| reply.id.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_ack_follows_its_fsync() {
    let Some((trace, replies)) = watched(&World::start().await).await else { return };
    let faults = proof::faults(&trace, &ids(&replies));
    assert!(faults.is_empty(), "{} of {}: {:?}", faults.len(), replies.len(), &faults[..faults.len().min(10)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledgement_before_its_fsync_is_caught() {
    let Some((trace, replies)) = watched(&World::start_relaxed().await).await else { return };
    let faults = proof::faults(&trace, &ids(&replies));
    let (caught, unseen): (Vec<_>, Vec<_>) = faults.into_iter().partition(|(_, fault)| *fault != Fault::NotAnswered);
    assert!(unseen.is_empty(), "{} answers were not seen: {:?}", unseen.len(), &unseen[..unseen.len().min(10)]);
    // Every two minutes that server does write to disk, and answers what is there by then.
    assert!(caught.len() * 2 > replies.len(), "{} of {}", caught.len(), replies.len());
}
