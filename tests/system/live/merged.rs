//! Of guests who were merged nothing is passed over while the lane of one of them stands still.

use keepsake_tests::harness::events::Events;
use keepsake_tests::harness::eventually;
use proto::token;

use crate::merge::scene::{Guest, HOLD, PARTITIONS_OF_A_LANE, Scene, TENANT};

const LAST: &str = "SELECT COALESCE(max(position), 0) FROM read.timeline WHERE tenant = $1 AND guest_id = $2";

impl Scene {
    /// A stream that has begun.
    async fn watching(&self, guest: &Guest, header: (&str, &str)) -> Events {
        let url = format!("{}/api/v1/guests/{}/live", self.origin(), guest.id);
        let bearer = self.world.bearer(TENANT);
        let headers = [("Authorization", bearer.as_str()), ("X-Tenant-ID", TENANT), header];
        let mut events = Events::open(&url, &headers).await.expect("a stream");
        assert_eq!(events.next().await.expect("an event").name, "ready");
        events
    }

    /// Each does something, in turns. Answers the ids of the events.
    async fn in_turns(&self, guests: [&Guest; 2]) -> Vec<String> {
        let mut ids = Vec::new();
        for hour in 0..8 {
            let told_of = guests[usize::from(hour % 2 == 1)];
            ids.push(id_at(position(&self.record(&told_of.id, hour).await)));
        }
        ids
    }
}

fn position(token: &str) -> u64 {
    token::read(token).expect("a token of ours")
}

fn id_at(position: u64) -> String {
    format!("{position}-0")
}

/// What is shown up to this event.
async fn shown(events: &mut Events, last: &str) -> Vec<String> {
    let mut ids = Vec::new();
    while ids.last().is_none_or(|id| id != last) {
        ids.push(events.next().await.expect("an event").id);
    }
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_passed_over_while_a_lane_of_one_who_was_merged_stands_still() {
    let scene = Scene::start().await;
    let (survivor, absorbed) = (scene.guest(0, &[]).await, scene.guest(2, &[1]).await);
    let registered = scene.record(&survivor.id, 2).await;
    let mut admin = scene.world.database.connect(&scene.world.database.read_admin).await;
    let mut since_before = scene.watching(&survivor, ("X-Min-Position", &registered)).await;

    let hold = admin.transaction().await.expect("begins");
    hold.query(HOLD, &[&i16::from(2 * PARTITIONS_OF_A_LANE)]).await.expect("holds");
    let merged = scene.merge(&survivor, &absorbed).await;
    let expected = [position(&merged) - 1, position(&merged)].map(id_at);
    hold.commit().await.expect("lets go");
    let mut last = id_at(position(&merged));
    assert_eq!(shown(&mut since_before, &last).await, expected);

    let mut by_the_other = scene.watching(&absorbed, ("X-Min-Position", &merged)).await;
    for (behind, ahead, guests) in [(0, &absorbed, [&survivor, &absorbed]), (2, &survivor, [&absorbed, &survivor])] {
        let hold = admin.transaction().await.expect("begins");
        hold.query(HOLD, &[&i16::from(behind * PARTITIONS_OF_A_LANE)]).await.expect("holds");
        let expected = scene.in_turns(guests).await;
        eventually("whoever's lane goes on is folded", async || {
            let row = hold.query_one(LAST, &[&TENANT, &ahead.id]).await.expect("asks");
            expected.ends_with(&[format!("{}-0", row.get::<_, i64>(0))]).then_some(())
        })
        .await;
        // It has looked once before it begins.
        let mut meanwhile = scene.watching(&survivor, ("Last-Event-ID", &last)).await;
        hold.commit().await.expect("lets go");
        last.clone_from(expected.last().expect("there are some"));
        for events in [&mut meanwhile, &mut since_before, &mut by_the_other] {
            assert_eq!(shown(events, &last).await, expected);
        }
    }
}
