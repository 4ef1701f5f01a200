//! Whoever writes and then reads with the token of what it wrote is never shown less, whatever happens to the read models meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
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
    stale: AtomicUsize,
    refused: AtomicUsize,
    enough: AtomicBool,
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
        let counts = match status {
            StatusCode::OK if profile["interaction_count"] == written => &tally.fresh,
            StatusCode::OK => &tally.stale,
            _ => &tally.refused,
        };
        counts.fetch_add(1, Ordering::Relaxed);
        let (_, page) = client.get(&format!("{path}/interactions?limit=1&fields=position"), token).await;
        let position = token.split_once('.').and_then(|(_, position)| position.parse::<i64>().ok());
        if page["data"][0]["position"].as_i64() != position {
            tally.stale.fetch_add(1, Ordering::Relaxed);
        }
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
    on_the_way(CLIENTS).await;
    for model in ["profile", "interaction"] {
        let (code, said) = rebuild(&world, &[model]).await;
        assert_eq!(code, Some(0), "{said}");
    }
    let mut admin = world.database.connect(&world.database.read_admin).await;
    for lanes in [8, 2] {
        schema::recut(&mut admin, lanes).await.expect("cuts");
        let before = tally.fresh.load(Ordering::Relaxed);
        on_the_way(before + CLIENTS).await;
    }
    tally.enough.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("every write is accepted");
    }
    let [fresh, stale, refused] =
        [&tally.fresh, &tally.stale, &tally.refused].map(|count| count.load(Ordering::Relaxed));
    assert_eq!(stale, 0, "of {fresh}");
    // Nothing is promised about how long a lane that changes hands stands still, only that nobody is shown what is old.
    assert!(refused * 100 <= fresh, "{refused} of {fresh} were refused");
}
