//! Live streams: what happens to a guest reaches whoever watches, once each, in the log's order, whatever becomes of the connection.

mod announced;
mod credentials;
mod merged;

use std::collections::BTreeSet;

use axum::http::StatusCode;
use futures_util::future::join_all;
use keepsake_cli::dev_issuer::{Bearer, Grant};
use keepsake_tests::harness::events::{Event, Events};
use keepsake_tests::harness::{Client, InProcess, Processes, Service, World};
use runtime::auth::Role;
use serde_json::Value;

struct Scene {
    world: World,
    services: InProcess,
    client: Client,
}

impl Scene {
    async fn start() -> Self {
        let world = World::start().await;
        let services = InProcess::start(&world).await;
        let client = Client::new(&world, &services.query.url(), "demo").await;
        client.provision().await;
        Self { world, services, client }
    }

    async fn record(&self, guest: &str, number: usize) -> String {
        let record = format!(r#"{{"guest_id":"{guest}","kind":"visit.{number}","topic":"Jazz"}}"#);
        self.client.accepted("interactions.record", None, &record).await.consistency_token
    }

    async fn watch(&self, guest: &str, headers: &[(&str, &str)]) -> Result<Events, (StatusCode, Value)> {
        let url = format!("{}/api/v1/guests/{guest}/live", self.services.query.url());
        let bearer = self.world.bearer("demo");
        let all = [&[("Authorization", bearer.as_str()), ("X-Tenant-ID", "demo")][..], headers].concat();
        Events::open(&url, &all).await
    }

    /// A stream that has begun, with how far it was then.
    async fn watching(&self, guest: &str, headers: &[(&str, &str)]) -> (Events, Event) {
        let mut events = self.watch(guest, headers).await.expect("a stream");
        let ready = events.next().await.expect("an event");
        assert_eq!(ready.name, "ready");
        assert_eq!(events.headers["x-as-of"], ready.data["as_of"].as_str().expect("a token"));
        assert_eq!(events.headers["cache-control"], "no-store");
        (events, ready)
    }
}

async fn kinds(events: &mut Events, number: usize) -> Vec<String> {
    let mut kinds = Vec::new();
    while kinds.len() < number {
        let event = events.next().await.expect("an event");
        kinds.push(event.data["summary"]["kind"].as_str().map_or(event.name, ToOwned::to_owned));
    }
    kinds
}

fn visits(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(|number| format!("visit.{number}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_shows_what_happens_from_now_on_and_goes_on_where_its_reader_left_off() {
    let scene = Scene::start().await;
    scene.client.register("ada").await;
    let before = scene.record("ada", 0).await;
    let (mut events, _) = scene.watching("ada", &[("X-Min-Position", &before)]).await;
    scene.client.register("bob").await;
    scene.record("bob", 7).await;
    for number in 1..=3 {
        scene.record("ada", number).await;
    }
    let first = events.next().await.expect("an event");
    assert_eq!((first.name.as_str(), &first.data["summary"]["kind"]), ("InteractionRecorded", &"visit.1".into()));
    assert_eq!(kinds(&mut events, 2).await, visits([2, 3]));
    drop(events);
    let last = scene.record("ada", 4).await;

    // Whatever was missed comes first, from the event that was had last.
    let (mut events, ready) = scene.watching("ada", &[("Last-Event-ID", &first.id)]).await;
    assert_eq!(ready.id, first.id);
    assert_eq!(kinds(&mut events, 3).await, visits([2, 3, 4]));
    let (mut again, _) = scene.watching("ada", &[("Last-Event-ID", &first.id), ("X-Min-Position", &last)]).await;
    assert_eq!(kinds(&mut again, 3).await, visits([2, 3, 4]));

    // From the beginning it is the timeline, the other way round.
    let (mut life, _) = scene.watching("ada", &[("Last-Event-ID", "0-0")]).await;
    let mut expected = visits(0..=4);
    expected.insert(0, "GuestRegistered".to_owned());
    assert_eq!(kinds(&mut life, 6).await, expected);
    scene.record("ada", 5).await;
    for events in [&mut events, &mut again, &mut life] {
        assert_eq!(kinds(events, 1).await, visits([5]));
    }
    drop((events, again, life));
    scene.services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_watch_many_and_each_sees_all_of_its_own_once() {
    const GUESTS: usize = 12;
    const VISITS: usize = 20;
    let scene = Scene::start().await;
    let mut token = String::new();
    for guest in 0..GUESTS {
        token = scene.client.register(&format!("guest-{guest}")).await.consistency_token;
    }
    let watchers = join_all((0..GUESTS * 2).map(async |watcher| {
        scene.watching(&format!("guest-{}", watcher % GUESTS), &[("X-Min-Position", &token)]).await.0
    }))
    .await;
    let writing = join_all((0..GUESTS).map(async |guest| {
        for number in 0..VISITS {
            scene.record(&format!("guest-{guest}"), number).await;
        }
    }));
    let watching = join_all(watchers.into_iter().map(async |mut events| kinds(&mut events, VISITS).await));
    let (_, seen) = tokio::join!(writing, watching);
    assert!(seen.iter().all(|seen| *seen == visits(0..VISITS)), "{seen:?}");
    scene.services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_merged_is_watched_as_one() {
    let scene = Scene::start().await;
    let (ada, bob) = (scene.client.register("ada").await.guest_id, scene.client.register("bob").await);
    let (bob, registered) = (bob.guest_id, bob.consistency_token);
    let (mut events, _) = scene.watching(&ada, &[("X-Min-Position", &registered)]).await;
    let merge = format!(r#"{{"guest_id":"{ada}","absorbed_id":"{bob}"}}"#);
    let token = scene.client.accepted("guest.merge", None, &merge).await.consistency_token;
    let merged = events.next().await.expect("an event");
    assert_eq!(merged.name, "GuestMerged");
    scene.record(&bob, 1).await;
    scene.record(&ada, 2).await;
    scene.record(&bob, 3).await;
    // That bob was absorbed is a part of ada's life, too; it came with the merge.
    let mut seen = BTreeSet::new();
    while !seen.contains("visit.3") {
        seen.extend(kinds(&mut events, 1).await);
    }
    assert!(visits(1..=3).iter().all(|visit| seen.contains(visit)), "{seen:?}");
    let (mut by_the_other, _) =
        scene.watching(&bob, &[("Last-Event-ID", &merged.id), ("X-Min-Position", &token)]).await;
    let mut all = BTreeSet::new();
    while !all.contains("visit.3") {
        all.extend(kinds(&mut by_the_other, 1).await);
    }
    assert!(visits(1..=3).iter().all(|visit| all.contains(visit)), "{all:?}");
    drop((events, by_the_other));
    scene.services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_nobodys_who_may_not_read_and_ends_with_the_tenants_suspension() {
    let scene = Scene::start().await;
    scene.client.register("ada").await;
    let token = scene.client.register("bob").await.consistency_token;
    let (mut events, _) = scene.watching("ada", &[("X-Min-Position", &token)]).await;
    let cases = [
        ("ada", ("Last-Event-ID", "soon"), 400, "invalid_position"),
        ("ada", ("X-Min-Position", "soon"), 400, "invalid_position"),
        ("nobody", ("X-Wait-Ms", "10"), 404, "guest_not_found"),
    ];
    for (guest, header, status, code) in cases {
        let refused = scene.watch(guest, &[header]).await;
        let (refused, problem) = refused.map(|_| ()).expect_err("refused");
        assert_eq!((refused.as_u16(), problem["code"].as_str()), (status, Some(code)), "{guest} {header:?}");
    }
    let guest = Bearer::Person { tenant: "demo".to_owned(), subject: "bob".to_owned() };
    let grant = Grant { bearer: guest, roles: vec![Role::Guest], scopes: Vec::new(), seconds: 600 };
    let bob = format!("Bearer {}", scene.world.issuer.token(&grant));
    let url = |guest: &str| format!("{}/api/v1/guests/{guest}/live", scene.services.query.url());
    let headers = [("Authorization", bob.as_str()), ("X-Tenant-ID", "demo")];
    let refused = Events::open(&url("ada"), &headers).await.map(|_| ()).expect_err("not bob's");
    assert_eq!((refused.0.as_u16(), refused.1["code"].as_str()), (404, Some("guest_not_found")));
    assert!(Events::open(&url("bob"), &headers).await.is_ok());

    scene.client.accepted("tenant.suspend", None, r#"{"reason":"abuse"}"#).await;
    let last = events.next().await.expect("an event");
    assert_eq!((last.name.as_str(), &last.data["code"]), ("problem", &"tenant_suspended".into()));
    assert_eq!(events.next().await, None);
    scene.services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_caller_cannot_take_all_streams_and_a_stopped_process_ends_them() {
    let world = World::start().await;
    let mut processes = Processes::start(&world).await;
    let origin = processes.url(Service::Query);
    let client = Client::new(&world, &origin, "demo").await;
    client.provision().await;
    let token = client.register("ada").await.consistency_token;
    let (url, bearer) = (format!("{origin}/api/v1/guests/ada/live"), world.bearer("demo"));
    let headers = [("Authorization", bearer.as_str()), ("X-Tenant-ID", "demo"), ("X-Min-Position", &token)];
    let mut streams = Vec::new();
    let refused = loop {
        match Events::open(&url, &headers).await {
            Ok(events) => streams.push(events),
            Err(refused) => break refused,
        }
    };
    assert_eq!((refused.0.as_u16(), &refused.1["code"]), (429, &"too_many_streams".into()));
    assert_eq!(streams.len(), 32);
    processes.stop(Service::Query).await;
    for mut events in streams {
        assert_eq!(events.next().await.expect("an event").name, "ready");
        assert_eq!(events.next().await, None, "the stream has ended");
    }
}
