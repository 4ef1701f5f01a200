//! Many writers, one guest: one commit per turn, no gap, no twin, and everybody is told where theirs stands.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use keepsake_tests::harness::{Client, History, InProcess, World, history, log, services};

const WRITERS: u64 = 50;
const RECORD: &str = r#"{"guest_id":"ada","kind":"product.viewed"}"#;

async fn writer(client: Client, writer: u64, turns: u64) -> History {
    let mut told = History::default();
    for turn in 0..turns {
        told = told.and(history::insist(&client, "interactions.record", &format!("w-{writer}-{turn}"), RECORD).await);
    }
    told
}

/// Lets the writers race for `commands` turns altogether, through as many instances.
async fn race(world: &World, instances: usize, commands: u64) {
    let services = InProcess::start(world).await;
    let further = join_all((1..instances).map(|_| services::command(world))).await;
    let client = Client::new(world, &services.query.url(), "demo").await;
    let guest = &history::set_up(&client, ["ada".to_owned()]).await[0];
    let writers = (0..WRITERS).map(|number| writer(client.clone(), number, commands / WRITERS));
    let told: History = join_all(writers).await.into_iter().collect();
    assert!(told.refused.is_empty(), "{:?}", told.refused.first());

    let log = log::verify(&client.nats, &told).await;
    let of_guest = log.iter().filter(|entry| entry.subject.owner.as_str() == guest);
    let versions: BTreeSet<u64> =
        of_guest.filter(|entry| entry.commit.facet == "interactions").map(|entry| entry.commit.version).collect();
    assert_eq!(versions, (1..=commands).collect());
    for running in further {
        running.stop().await.expect("stops");
    }
    services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_writers_on_one_guest_leave_no_gap_and_no_twin() {
    race(&World::start().await, 1, 1_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_writers_through_two_instances_leave_no_gap_and_no_twin() {
    race(&World::start().await, 2, 1_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_writers_on_three_replicas_leave_no_gap_and_no_twin() {
    race(&World::start_replicated().await, 2, 200).await;
}
