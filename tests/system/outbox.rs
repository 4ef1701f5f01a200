//! The outbox: what is derived while folding is published once, however many builds derive it.

use std::time::Duration;

use chrono::DateTime;
use projection_workers::outbox::{Derived, Transition, put};
use proto::subject::{LogSubject, Owner};
use serde_json::json;

use keepsake_tests::harness::{InProcess, Published, World, eventually};

const POLICY: &str = "segments";
const PP: i16 = 7;

/// As if a guest had entered a segment by the commit at each of these positions.
fn derived(up_to: i64, positions: &[i64]) -> Derived {
    let subject = LogSubject::new("demo".parse().expect("a token"), Owner::guest(7));
    let transition = |position: &i64| Transition {
        subject: subject.clone(),
        position: *position,
        step: "gold".to_owned(),
        name: "guest.segment.entered",
        time: DateTime::from_timestamp(1_800_000_000, 0).expect("in range"),
        data: json!({"guest_id": subject.owner.as_str()}).as_object().expect("an object").clone(),
    };
    Derived { policy: POLICY, pp: PP, up_to, transitions: positions.iter().map(transition).collect() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_several_builds_derive_is_published_once_by_whichever_is_ahead() {
    let world = World::start().await;
    let mut live = world.database.connect(&world.database.writer).await;
    let beside = world.database.connect(&world.database.writer).await;

    let transaction = live.transaction().await.expect("begins");
    assert_eq!(put(&transaction, &[derived(10, &[4, 9])]).await.expect("puts"), 2);
    transaction.rollback().await.expect("rolls back");
    assert_eq!(put(&live, &[derived(10, &[4, 9])]).await.expect("puts"), 2, "what was rolled back was never there");
    // A build that comes from the beginning, and knows of one more that the other never saw.
    assert_eq!(put(&beside, &[derived(8, &[4, 6])]).await.expect("puts"), 0);
    assert_eq!(put(&beside, &[derived(12, &[9, 12])]).await.expect("puts"), 1, "it is ahead now");
    assert_eq!(put(&live, &[derived(12, &[12])]).await.expect("puts"), 0);
    let elsewhere = Derived { pp: PP + 1, ..derived(5, &[5]) };
    assert_eq!(put(&live, &[elsewhere, derived(13, &[])]).await.expect("puts"), 1, "every partition has its own");
    // One that is behind waits for nobody who is ahead.
    let transaction = live.transaction().await.expect("begins");
    assert_eq!(put(&transaction, &[derived(20, &[15])]).await.expect("puts"), 1);
    let behind = tokio::time::timeout(Duration::from_secs(20), put(&beside, &[derived(13, &[9, 12])])).await;
    assert_eq!(behind.expect("it does not wait").expect("puts"), 0);
    transaction.rollback().await.expect("rolls back");

    let services = InProcess::start(&world).await;
    let left = "SELECT count(*) FROM keepsake.outbox";
    eventually("the outbox is empty", async || {
        let left: i64 = live.query_one(left, &[]).await.expect("asks").get(0);
        (left == 0).then_some(())
    })
    .await;
    let nats = world.nats.connect().await;
    let told = Published::all(&nats).await;
    assert_eq!(told.iter().map(Published::position).collect::<Vec<_>>(), [4, 9, 12, 5]);
    for published in &told {
        assert_eq!(published.subject, "pub.demo.guest.segment.entered");
        assert_eq!(published.event["data"], json!({"guest_id": Owner::guest(7).as_str()}));
        assert_eq!(published.message_id, published.id());
    }
    // The same ones again after they are gone: the floor remembers.
    assert_eq!(put(&live, &[derived(13, &[4, 9, 12])]).await.expect("puts"), 0);
    services.stop().await;
}
