//! A read model is folded anew while it is read: nobody sees less than before, and what differs is shown before anybody switches.

mod reader;
mod switching;

use std::process::Stdio;
use std::time::Duration;

use keepsake_tests::harness::{
    Client, Processes, Service, Workers, World, eventually, naive, rebuild, rebuilding, table, until_folded,
};
use projection_workers::rebuild as rebuild_lib;
use runtime::http_client::HttpClient;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio_postgres::Client as Postgres;

use crate::lanes::settled::verified;
use reader::Reader;

/// Whoever holds these rows holds half of a generation back.
const HALF: &str = "
SELECT FROM keepsake.lane l
WHERE l.first_pp = 0 AND l.track = (SELECT track FROM keepsake.generation WHERE generation = $1)
FOR UPDATE";

/// Partitions of a generation in which something is folded.
const FOLDED: &str = "SELECT count(*) FROM keepsake.generation_progress WHERE generation = $1 AND position > 0";

/// Guests, each with three interactions.
const GUESTS: usize = 40;

struct Scene {
    world: World,
    processes: Processes,
    workers: Workers,
    client: Client,
    admin: Postgres,
    guests: Vec<String>,
}

impl Scene {
    async fn start() -> Self {
        let world = World::start().await;
        let processes = Processes::start_only(&world, &[Service::Command, Service::Query]).await;
        let workers = Workers::start(&world, 1).await;
        let client = Client::new(&world, &processes.url(Service::Query), "demo").await;
        client.provision().await;
        let mut guests = Vec::new();
        for number in 0..GUESTS {
            guests.push(client.register(&format!("guest-{number}")).await.guest_id);
        }
        let admin = world.database.connect(&world.database.read_admin).await;
        let scene = Self { world, processes, workers, client, admin, guests };
        for _ in 0..3 {
            scene.everybody().await;
        }
        until_folded(&scene.world, &scene.client).await;
        scene
    }

    /// One more interaction of each guest.
    async fn everybody(&self) {
        futures_util::future::join_all((0..GUESTS).map(|guest| self.record(guest))).await;
    }

    async fn record(&self, guest: usize) -> u64 {
        let record = format!(r#"{{"guest_id":"guest-{guest}","kind":"product.viewed","topic":"music"}}"#);
        self.client.accepted("interactions.record", None, &record).await.position
    }

    /// A generation's number and state, by age.
    async fn generations(&self, projection: &str) -> Vec<(i32, String)> {
        let all = schema::generations(&self.admin).await.expect("asks");
        let of_it = all.into_iter().filter(|one| one.projection == projection);
        of_it.map(|one| (one.number, one.state.name().to_owned())).collect()
    }

    async fn states(&self, projection: &str) -> Vec<String> {
        self.generations(projection).await.into_iter().map(|(_, state)| state).collect()
    }

    async fn rebuilt(&self, arguments: &[&str]) -> String {
        let (code, said) = rebuild(&self.world, arguments).await;
        assert_eq!(code, Some(0), "{said}");
        said
    }

    /// What is read is what the log says, by two accounts of it.
    async fn is_proved(&self) {
        until_folded(&self.world, &self.client).await;
        assert_eq!(verified(&self.world, None, None).await.findings, []);
        naive::assert_tables_equal(&self.world).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_asks_all_along_never_sees_less_while_workers_are_killed_and_generations_switched() {
    let mut scene = Scene::start().await;
    let reader = Reader::start(&scene.processes.url(Service::Query), &scene.guests[0], scene.world.bearer("demo"));
    scene.workers.kill(0).await;
    let mut admin = scene.world.database.connect(&scene.world.database.read_admin).await;
    let (number, _) = rebuild_lib::begin(&mut admin, "profile", 2, true).await.expect("begins");
    // Half of it cannot be folded until somebody lets go.
    let held = admin.transaction().await.expect("begins");
    held.query(HALF, &[&number]).await.expect("holds");
    scene.workers.start_one(0).await;
    eventually("the other half is folded", async || {
        (scene.admin.query_one(FOLDED, &[&number]).await.expect("asks").get::<_, i64>(0) == 32).then_some(())
    })
    .await;
    scene.workers.kill(0).await;
    let mut watching = rebuilding(&scene.world, &["profile"]).stderr(Stdio::piped()).spawn().expect("runs");
    let mut said = BufReader::new(watching.stderr.take().expect("it is piped")).lines();
    let first = said.next_line().await.expect("it speaks").unwrap_or_default();
    assert_eq!(first, format!("going on with generation {number} of profile"));
    watching.kill().await.expect("it is ours to kill");
    held.rollback().await.expect("lets go");
    scene.workers.start_one(0).await;
    let writing = async {
        for _ in 0..5 {
            scene.everybody().await;
        }
    };
    let (said, ()) = tokio::join!(scene.rebuilt(&["profile"]), writing);
    assert!(said.contains(&format!("going on with generation {number}")), "{said}");
    assert_eq!(scene.states("profile").await, ["former", "live"]);
    scene.workers.kill(0).await;
    scene.workers.start_one(0).await;
    scene.everybody().await;
    scene.is_proved().await;

    scene.rebuilt(&["profile", "rollback"]).await;
    assert_eq!(scene.states("profile").await, ["live", "former"]);
    scene.everybody().await;
    scene.is_proved().await;
    scene.rebuilt(&["profile", "drop"]).await;
    assert_eq!(scene.states("profile").await, ["live"]);
    scene.everybody().await;
    scene.is_proved().await;
    let asked = reader.stop().await;
    assert!(asked > 20, "{asked} reads only");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_differs_is_shown_with_guest_and_column_and_nothing_is_switched_before_somebody_says_so() {
    let scene = Scene::start().await;
    // As if an earlier version had counted otherwise.
    let live = table(&scene.admin, "profile").await;
    let wrong = format!("UPDATE {live} SET interaction_count = 7, first_seen_at = NULL WHERE guest_id = $1");
    scene.admin.execute(&wrong, &[&scene.guests[5]]).await.expect("changes");
    scene
        .admin
        .execute(&format!("DELETE FROM {live} WHERE guest_id = $1"), &[&scene.guests[6]])
        .await
        .expect("deletes");

    let (code, said) = rebuild(&scene.world, &["profile"]).await;
    assert_eq!(code, Some(2), "{said}");
    for part in [
        "39 rows live and 40 beside when it began, 2 different",
        &scene.guests[5],
        "first_seen_at differs; interaction_count is 7, becomes 3",
        &scene.guests[6],
        "is new",
        "nothing is switched",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(scene.states("profile").await, ["live", "building"]);
    scene.rebuilt(&["profile", "switch"]).await;
    assert_eq!(scene.states("profile").await, ["former", "live"]);
    scene.is_proved().await;
    let (code, said) = rebuild(&scene.world, &["profile", "diff"]).await;
    assert!(code == Some(2) && said.contains("interaction_count is 3, becomes 7"), "{said}");
    scene.rebuilt(&["profile", "drop"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_read_model_can_be_folded_anew_and_the_list_tells_how_far_each_is() {
    let scene = Scene::start().await;
    for projection in schema::read_models() {
        let said = scene.rebuilt(&[projection]).await;
        assert!(said.contains("the same"), "{said}");
    }
    let said = scene.rebuilt(&[]).await;
    let live = said.lines().filter(|line| line.contains("live") && line.contains("up to date")).count();
    assert_eq!(live, schema::read_models().count(), "{said}");
    assert_eq!(said.lines().filter(|line| line.contains("former")).count(), live, "{said}");
    let http = HttpClient::new(Duration::from_secs(5));
    let answer = http.get(&format!("{}/generations", scene.workers.url(0)), &[]).await.expect("an answer");
    let told: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    let generations = told["generations"].as_array().expect("a list");
    let up_to_date = generations.iter().filter(|one| one["position"] == told["log_position"]).count();
    assert_eq!(up_to_date, 2 * live, "{told}");
    scene.is_proved().await;
    for projection in schema::read_models() {
        scene.rebuilt(&[projection, "drop"]).await;
    }
    scene.is_proved().await;
    let tracks: i64 = scene.admin.query_one("SELECT count(*) FROM keepsake.track", &[]).await.expect("asks").get(0);
    assert_eq!(tracks, 1, "all live generations are folded together");

    let (code, said) = rebuild(&scene.world, &["profil"]).await;
    assert!(code == Some(1) && said.contains("there is no read model profil"), "{said}");
    let (code, said) = rebuild(&scene.world, &["profile", "rollback"]).await;
    assert!(code == Some(1) && said.contains("there is nothing to go back to"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_version_is_left_to_its_own_workers_until_somebody_switches() {
    let mut scene = Scene::start().await;
    // What is live was made by a version that nobody here knows.
    let other = "UPDATE keepsake.generation SET fingerprint = 'another' WHERE projection IN ('profile', 'timeline')";
    scene.admin.execute(other, &[]).await.expect("changes");
    let mut admin = scene.world.database.connect(&scene.world.database.read_admin).await;
    let migrated = schema::migrate(&mut admin, projection_workers::versions()).await.expect("migrates");
    assert_eq!(migrated.begun, ["profile", "timeline"]);
    let again = schema::migrate(&mut admin, projection_workers::versions()).await.expect("migrates");
    assert_eq!(again, schema::Migrated::default());
    scene.workers.kill(0).await;
    scene.workers.start_one(0).await;
    let last = scene.record(0).await;
    let position = async |projection: &str, state: &str| {
        let all = projection_workers::rebuild::built(&scene.admin).await.expect("asks");
        let one = all.into_iter().find(|one| one.projection == projection && one.state == state).expect("there is");
        one.position.cast_unsigned()
    };
    eventually("what is known is folded", async || {
        let known = [("interaction", "live"), ("profile", "building"), ("timeline", "building")];
        for (projection, state) in known {
            if position(projection, state).await < last {
                return None;
            }
        }
        Some(())
    })
    .await;
    assert!(position("profile", "live").await < last, "nobody here folds another version");
    scene.rebuilt(&["profile", "switch"]).await;
    scene.rebuilt(&["timeline", "switch"]).await;
    scene.is_proved().await;
    let (code, said) = rebuild(&scene.world, &["profile", "rollback", "--wait", "3"]).await;
    assert!(code == Some(1) && said.contains("commits behind what is read"), "{said}");
    scene.is_proved().await;
    scene.rebuilt(&["profile", "drop"]).await;
    scene.rebuilt(&["timeline", "drop"]).await;
    scene.is_proved().await;
}
