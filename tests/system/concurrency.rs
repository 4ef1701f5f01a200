//! Many writers, one guest: one commit per turn, no gap, no twin.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use keepsake_cli::commander::Outcome;
use proto::Reply;

use keepsake_tests::harness::{Client, InProcess, World, services};

const RECORD: &str = r#"{"guest_id":"ada","kind":"product.viewed"}"#;

/// Two instances outrun each other now and then; a caller who is told so sends the command again.
async fn insist(client: &Client, id: &str) -> Reply {
    loop {
        match client.send("interactions.record", Some(id), RECORD).await {
            Outcome::Accepted(reply) => return serde_json::from_slice(&reply).expect("a reply"),
            Outcome::Refused { problem, .. } if problem.code == "version_conflict" => {}
            other @ (Outcome::Refused { .. } | Outcome::NoAnswer(_)) => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_on_one_guest_through_two_instances_leave_no_gap_and_no_twin() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let second = services::command(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    client.register("ada").await;
    let writers = (0..50).map(|writer| {
        let client = client.clone();
        async move { insist(&client, &format!("w-{writer}")).await }
    });
    let replies = join_all(writers).await;
    let versions: BTreeSet<u64> = replies.iter().map(|reply| reply.version).collect();
    let positions: BTreeSet<u64> = replies.iter().map(|reply| reply.position).collect();
    assert_eq!(versions, (1..=50).collect());
    assert_eq!(positions.len(), 50);
    second.stop().await.expect("stops");
    services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_registration_from_many_senders_makes_one_guest() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    let senders = (0..32).map(|_| client.register("ada"));
    let replies = join_all(senders).await;
    let guests: BTreeSet<String> = replies.iter().map(|reply| reply.guest_id.clone()).collect();
    assert_eq!(guests.len(), 1);
    assert_eq!(replies.iter().filter(|reply| !reply.events.is_empty()).count(), 1, "registered once");
    services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registered_here_is_known_there_at_once() {
    let world = World::start().await;
    let first = InProcess::start(&world).await;
    let second = services::command(&world).await;
    let here = Client::new(&world, &first.query.url(), "demo").await;
    let there = Client::new(&world, &second.url(), "demo").await;
    here.provision().await;
    for guest in 0..20 {
        let (status, body) = here.post("/users", &format!(r#"{{"user_id":"guest-{guest}"}}"#)).await;
        assert_eq!(status.as_u16(), 201, "{body}");
        let path = format!("/api/v1/guests/guest-{guest}/interactions");
        let (status, body) = there.post(&path, r#"{"kind":"product.viewed"}"#).await;
        assert_eq!(status.as_u16(), 201, "{body}");
    }
    second.stop().await.expect("stops");
    first.stop().await;
}
