//! Many senders of one registration make one guest.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use keepsake_tests::harness::{Client, InProcess, World};

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
