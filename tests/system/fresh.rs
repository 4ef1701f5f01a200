//! Whoever writes and then reads with the token of what it wrote is never shown less, whatever happens to the read models meanwhile.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use futures_util::future::join_all;
use keepsake_tests::harness::{Client, Processes, Service, World, eventually_within, rebuild};
use serde_json::Value;
use tokio::time::MissedTickBehavior;

const CLIENTS: usize = 200;
/// Of each client at least.
const ROUNDS: usize = 5;
/// Of each client: a rebuild gives way to those who read, and all of them at full speed would leave it nothing.
const PACE: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_mins(3);

/// What all of them have to say.
#[derive(Default)]
struct Tally {
    fresh: AtomicUsize,
    stale: Mutex<Vec<String>>,
    refused: AtomicUsize,
    enough: AtomicBool,
}

impl Tally {
    /// What was answered is either what had to be, or nothing at all.
    fn count(&self, status: StatusCode, is_fresh: bool, shown: impl FnOnce() -> String) {
        match (status, is_fresh) {
            (StatusCode::OK, true) => drop(self.fresh.fetch_add(1, Ordering::Relaxed)),
            (StatusCode::SERVICE_UNAVAILABLE, _) => drop(self.refused.fetch_add(1, Ordering::Relaxed)),
            (status, _) => self.stale.lock().expect("nobody panics").push(format!("{status}: {}", shown())),
        }
    }
}

/// One guest and its one writer: what it did is what must be read.
async fn write_and_read(client: Client, guest: String, tally: Arc<Tally>) {
    let (path, record) = (format!("/api/v1/guests/{guest}"), r#"{"kind":"visit","topic":"Jazz"}"#);
    let (mut written, mut turns) = (0, tokio::time::interval(PACE));
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while written < ROUNDS || !tally.enough.load(Ordering::Relaxed) {
        turns.tick().await;
        let headers = [("X-Tenant-ID", "demo"), ("Content-Type", "application/json")];
        let answer = client.http(Method::POST, &format!("{path}/interactions"), &headers, record).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{:?}", answer.body);
        let reply: Value = serde_json::from_slice(&answer.body).expect("JSON");
        let token = reply["consistency_token"].as_str().expect("a token");
        written += 1;
        let (status, profile) = client.get(&format!("{path}/profile"), token).await;
        tally.count(status, profile["interaction_count"] == written, || {
            format!("{written} written, as of {token}: {profile}")
        });
        let (status, page) = client.get(&format!("{path}/interactions?limit=1&fields=position"), token).await;
        let position = token.split_once('.').and_then(|(_, position)| position.parse::<i64>().ok());
        let is_last = page["data"][0]["position"].as_i64() == position;
        tally.count(status, is_last, || format!("written at {token}: {page}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_who_write_and_read_are_never_shown_less_through_a_rebuild_and_a_recut_of_lanes() {
    let world = World::start().await;
    let processes = Processes::start(&world).await;
    let client = Client::new(&world, &processes.url(Service::Query), "demo").await;
    client.provision().await;
    let guests =
        join_all((0..CLIENTS).map(async |guest| client.register(&format!("guest-{guest}")).await.guest_id)).await;
    let tally = Arc::new(Tally::default());
    let clients =
        guests.into_iter().map(|guest| tokio::spawn(write_and_read(client.clone(), guest, Arc::clone(&tally))));
    let clients: Vec<_> = clients.collect();

    let on_the_way = async |reads: usize| {
        eventually_within(PATIENCE, "they go on", async || {
            (tally.fresh.load(Ordering::Relaxed) >= reads).then_some(())
        })
        .await;
    };
    on_the_way(2 * CLIENTS).await;
    for model in ["profile", "interaction"] {
        let (code, said) = rebuild(&world, &[model]).await;
        assert_eq!(code, Some(0), "{said}");
    }
    let mut admin = world.database.connect(&world.database.read_admin).await;
    for lanes in [8, 2] {
        schema::recut(&mut admin, lanes).await.expect("cuts");
        let before = tally.fresh.load(Ordering::Relaxed);
        on_the_way(before + 2 * CLIENTS).await;
    }
    tally.enough.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("every write is accepted");
    }
    let [fresh, refused] = [&tally.fresh, &tally.refused].map(|count| count.load(Ordering::Relaxed));
    let stale = tally.stale.lock().expect("nobody panics");
    assert!(stale.is_empty(), "{} beside {fresh}: {stale:#?}", stale.len());
    // Nothing is promised about how long a lane that changes hands stands still, only that nobody is shown what is old.
    assert!(refused * 100 <= fresh, "{refused} of {fresh} were refused");
}
