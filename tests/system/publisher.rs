//! Published events: everything that is told to others is told, in order, once, and nothing of a person.

mod told;

use std::collections::BTreeSet;

use async_nats::jetstream;
use event_log::published;
use event_log::stream::StreamOptions;
use futures_util::future::join_all;
use proto::subject::PUBLISHED_STREAM;
use runtime::http_client::HttpClient;
use serde_json::Value;

use keepsake_tests::harness::{
    Client, InProcess, Published, Workers, World, append_unknown, eventually, log, rebuild, services, until_folded,
    until_published,
};

const ROOM: StreamOptions = StreamOptions { replicas: 1, max_bytes: 1 << 30 };

/// As if another process had it for a moment.
const FENCE_OFF: &str =
    "UPDATE keepsake.errand SET epoch = epoch + 1, expires_at = '-infinity' WHERE name = 'publisher'";

/// What the log's events are called by others, told apart from the code that says so.
fn name_of(event_type: &str) -> Option<&'static str> {
    match event_type {
        "GuestRegistered" => Some("guest.profile.created"),
        "GuestMerged" => Some("guest.profile.merged"),
        "GuestUnmerged" => Some("guest.profile.unmerged"),
        "GuestUpdated" | "IdentifierLinked" | "IdentifierUnlinked" => Some("guest.profile.updated"),
        "InteractionRecorded" => Some("guest.interaction.recorded"),
        "GuestAbsorbed" | "GuestRestored" | "IdentityConflictDetected" | "TenantProvisioned" => None,
        other => panic!("what is {other} called?"),
    }
}

/// Everything the log has to tell: subject, event id and position, in its order.
async fn expected(client: &Client) -> Vec<(String, String, u64)> {
    let events = log::read(&client.nats).await.into_iter().flat_map(|entry| {
        let (tenant, position) = (entry.subject.tenant.to_string(), entry.position);
        let told = move |event: proto::StoredEvent| {
            Some((format!("pub.{tenant}.{}", name_of(&event.r#type)?), event.id, position))
        };
        entry.commit.events.into_iter().filter_map(told)
    });
    events.collect()
}

/// The log's events are in the stream, each once, in the log's order.
async fn is_all_told(client: &Client) -> Vec<Published> {
    let told = Published::all(&client.nats).await;
    let found: Vec<_> = told.iter().map(|it| (it.subject.clone(), it.id().to_owned(), it.position())).collect();
    assert_eq!(found, expected(client).await);
    told
}

fn record(guest: &str) -> String {
    format!(r#"{{"guest_id":"{guest}","kind":"product.viewed"}}"#)
}

async fn commander(world: &World) -> (runtime::Running, Client) {
    let command = services::command(world).await;
    let client = Client::new(world, &command.url(), "demo").await;
    client.provision().await;
    (command, client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_that_comes_late_tells_everything_and_one_whose_read_models_are_made_anew_nothing_again() {
    let world = World::start().await;
    let (_command, client) = commander(&world).await;
    join_all((0..40).map(async |guest| client.register(&format!("guest-{guest}")).await)).await;
    let mut workers = Workers::start(&world, 1).await;
    until_published(&world, &client).await;
    let told = is_all_told(&client).await;
    assert_eq!((told.len(), told.iter().filter(|published| published.in_batch).count()), (40, 40));

    let admin = world.database.connect(&world.database.read_admin).await;
    let errands = "SELECT string_agg(name || ' ' || epoch || ' ' || COALESCE(position, 0), ',' ORDER BY name) FROM keepsake.errand";
    let before: String = admin.query_one(errands, &[]).await.expect("asks").get(0);
    for projection in ["profile", "timeline", "profile"] {
        let (code, said) = rebuild(&world, &[projection]).await;
        assert_eq!(code, Some(0), "{said}");
    }
    assert_eq!(admin.query_one(errands, &[]).await.expect("asks").get::<_, String>(0), before);
    client.accepted("interactions.record", None, &record("guest-7")).await;
    workers.kill(0).await;
    workers.start_one(0).await;
    until_folded(&world, &client).await;
    until_published(&world, &client).await;
    assert_eq!(is_all_told(&client).await.len(), 41, "what was told is not told again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_stream_does_not_take_is_told_once_it_does_again() {
    let world = World::start().await;
    let (command, client) = commander(&world).await;
    let mut workers = Workers::start(&world, 1).await;
    client.register("ada").await;
    until_published(&world, &client).await;
    let before = Published::all(&client.nats).await;
    jetstream::new(client.nats.clone()).delete_stream(PUBLISHED_STREAM).await.expect("deletes");
    join_all((0..20).map(async |_| client.accepted("interactions.record", None, &record("ada")).await)).await;
    let tells = |line: &str| line.contains("publisher") && line.contains("is not kept");
    eventually("the publisher says what it waits for", async || workers.logged(0).lines().any(tells).then_some(()))
        .await;
    // Whoever comes next knows only what is written in Postgres.
    workers.kill(0).await;
    published::ensure(&client.nats, ROOM).await.expect("makes");
    workers.start_one(0).await;
    until_published(&world, &client).await;
    let told: Vec<_> = before.into_iter().chain(Published::all(&client.nats).await).collect();
    let ids: BTreeSet<_> = told.iter().map(|it| (it.position(), it.id().to_owned())).collect();
    let expected: BTreeSet<_> = expected(&client).await.into_iter().map(|(_, id, position)| (position, id)).collect();
    assert_eq!(ids, expected);
    command.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_three_publishes_at_a_time_and_another_goes_on_when_it_is_killed() {
    const GUESTS: usize = 8;
    const ROUNDS: usize = 60;
    let world = World::start().await;
    let (_command, client) = commander(&world).await;
    join_all((0..GUESTS).map(async |guest| client.register(&format!("guest-{guest}")).await)).await;
    let mut workers = Workers::start(&world, 3).await;
    let recording = async {
        for _ in 0..ROUNDS {
            join_all((0..GUESTS).map(async |guest| {
                client.accepted("interactions.record", None, &record(&format!("guest-{guest}"))).await
            }))
            .await;
        }
    };
    let killing = async {
        for _ in 0..2 {
            let holder = eventually("somebody publishes", async || publishes(&workers).await).await;
            workers.kill(holder).await;
        }
    };
    futures_util::future::join(recording, killing).await;
    until_published(&world, &client).await;
    is_all_told(&client).await;
}

/// Which of those that run has the publisher.
async fn publishes(workers: &Workers) -> Option<usize> {
    let http = HttpClient::new(std::time::Duration::from_secs(2));
    for which in 0..workers.count() {
        let Ok(answer) = http.get(&format!("{}/metrics", workers.url(which)), &[]).await else { continue };
        if String::from_utf8_lossy(&answer.body).contains(r#"keepsake_errand_position{errand="publisher"}"#) {
            return Some(which);
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_nobody_knows_holds_the_publisher_up_and_readiness_says_so() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    let ada = client.register("ada").await;
    let unknown = append_unknown(&client.nats, "demo", &ada.guest_id, "interactions").await;
    client.register("bob").await;
    let why = why_not_ready(&services.projections.url(), "publisher").await;
    for part in ["publisher", &format!("position {unknown}"), "GuestTeleported"] {
        assert!(why.contains(part), "{part}: {why}");
    }
    let told = Published::all(&client.nats).await;
    assert_eq!(told.iter().map(Published::position).collect::<Vec<_>>(), [ada.position], "nothing is passed over");
    let admin = world.database.connect(&world.database.read_admin).await;
    let position = "SELECT position FROM keepsake.errand WHERE name = 'publisher'";
    let position: i64 = admin.query_one(position, &[]).await.expect("asks").get(0);
    assert_eq!(position.cast_unsigned(), unknown - 1);
    services.stop().await;
}

/// Why something does not go out, once readiness says so.
async fn why_not_ready(url: &str, part: &str) -> String {
    let (http, url) = (HttpClient::new(std::time::Duration::from_secs(5)), format!("{url}/healthz/ready"));
    eventually("readiness says so", async || {
        let answer: Value = serde_json::from_slice(&http.get(&url, &[]).await.ok()?.body).ok()?;
        let checks = answer["checks"].as_array()?;
        let errands = checks.iter().find(|check| check["name"] == "errands")?;
        errands["fault"].as_str().filter(|why| why.contains(part)).map(str::to_owned)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_fenced_off_looks_again_which_log_it_is_and_publishes_nothing_of_another() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    client.register("ada").await;
    until_published(&world, &client).await;
    let admin = world.database.connect(&world.database.read_admin).await;
    admin.batch_execute(&format!("UPDATE keepsake.log SET log_id = 'another'; {FENCE_OFF}")).await.expect("updates");
    let why = why_not_ready(&services.projections.url(), "log another").await;
    assert!(why.starts_with("publisher"), "{why}");
    client.register("bob").await;
    assert_eq!(Published::all(&client.nats).await.len(), 1);
    // It tells why it stopped.
    let _stopped = services.projections.stop().await;
}
