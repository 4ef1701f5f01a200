//! Policies turn events into commands and timers, each carried out once, and never because a read model is made anew.

use chrono::TimeDelta;
use projection_workers::due::DueCommand;
use projection_workers::policy::{Happened, Policy, Reaction};
use proto::Event;
use proto::interactions::event::Kind;
use serde_json::json;

use keepsake_tests::harness::published::until_done;
use keepsake_tests::harness::{Client, World, eventually, rebuild, services, until_folded};

const ERRAND: &str = "policy.thanks";

/// Thanks for every order at once, and asks how it was a little later unless it was cancelled. No policy of the product does.
struct Thanks;

impl Policy for Thanks {
    fn name(&self) -> &'static str {
        "thanks"
    }

    fn facets(&self) -> &'static [&'static str] {
        &["interactions"]
    }

    fn react(&self, happened: Happened<'_>) -> Vec<Reaction> {
        let Event::Interactions(Kind::InteractionRecorded(recorded)) = happened.event else { return Vec::new() };
        let record = |kind: &str| {
            let body = json!({"guest_id": happened.subject.owner.as_str(), "kind": kind});
            let body = body.as_object().expect("an object").clone();
            DueCommand { facet: "interactions", command: "record", body }
        };
        let due_at = happened.recorded_at + TimeDelta::milliseconds(1_500);
        match recorded.kind.as_str() {
            "order.created" => vec![
                Reaction::Command { step: "thanks".to_owned(), command: record("thanks.sent") },
                Reaction::Timer { timer: "question".to_owned(), due_at, command: record("question.sent") },
            ],
            "order.cancelled" => vec![Reaction::CancelTimer { timer: "question".to_owned() }],
            _ => Vec::new(),
        }
    }
}

struct Scene {
    world: World,
    client: Client,
    admin: tokio_postgres::Client,
    _command: runtime::Running,
}

impl Scene {
    async fn start() -> Self {
        let world = World::start().await;
        let command = services::command(&world).await;
        let client = Client::new(&world, &command.url(), "demo").await;
        client.provision().await;
        for guest in ["ada", "bob"] {
            client.register(guest).await;
        }
        let admin = world.database.connect(&world.database.read_admin).await;
        Self { world, client, admin, _command: command }
    }

    async fn record(&self, guest: &str, kind: &str) {
        let record = format!(r#"{{"guest_id":"{guest}","kind":"{kind}"}}"#);
        self.client.accepted("interactions.record", None, &record).await;
    }

    async fn count(&self, kind: &str) -> i64 {
        let count = "SELECT count(*) FROM read.interaction WHERE kind = $1";
        self.admin.query_one(count, &[&kind]).await.expect("asks").get(0)
    }

    async fn eventually(&self, kind: &str, count: i64) {
        eventually(&format!("{kind} {count} times"), async || (self.count(kind).await == count).then_some(())).await;
    }

    /// Everything that follows from what is in the log has been carried out.
    async fn settled(&self) {
        until_done(&self.world, &self.client, ERRAND).await;
        eventually("no timer and no command waits", async || {
            let timers: i64 =
                self.admin.query_one("SELECT count(*) FROM keepsake.due", &[]).await.expect("asks").get(0);
            let waiting = event_log::intake::info(&self.client.nats).await.expect("an intake").waiting;
            (timers == 0 && waiting == 0).then_some(())
        })
        .await;
        until_folded(&self.world, &self.client).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_policy_wants_is_done_once_however_often_it_is_asked() {
    let scene = Scene::start().await;
    scene.record("ada", "order.created").await;
    let workers = services::workers_with(&scene.world, &[&Thanks]).await;
    // Where a policy begins that never ran is where the log ends; before that nobody knows whether it has begun.
    until_done(&scene.world, &scene.client, ERRAND).await;
    scene.record("ada", "order.created").await;
    scene.record("bob", "order.created").await;
    scene.record("bob", "order.cancelled").await;
    scene.settled().await;
    assert_eq!((scene.count("order.created").await, scene.count("thanks.sent").await), (3, 2), "the past is past");
    scene.eventually("question.sent", 1).await;

    // As if it had been killed before it could write how far it was.
    workers.stop().await.expect("stops");
    let back = "UPDATE keepsake.errand SET position = 4 WHERE name = $1";
    assert_eq!(scene.admin.execute(back, &[&ERRAND]).await.expect("rewinds"), 1);
    let workers = services::workers_with(&scene.world, &[&Thanks]).await;
    scene.settled().await;
    assert_eq!((scene.count("thanks.sent").await, scene.count("question.sent").await), (2, 1), "once each");

    // A rebuild alone asks nobody.
    scene.record("ada", "order.created").await;
    scene.settled().await;
    for projection in ["interaction", "profile", "interaction"] {
        let (code, said) = rebuild(&scene.world, &[projection]).await;
        assert_eq!(code, Some(0), "{said}");
    }
    scene.settled().await;
    assert_eq!((scene.count("thanks.sent").await, scene.count("question.sent").await), (3, 2));
    workers.stop().await.expect("stops");
}
