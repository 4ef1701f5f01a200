//! A guest's whole life: every event once, in the log's own order, and nobody else's.

use keepsake_tests::harness::{Client, InProcess, World};
use serde_json::{Value, json};

/// Ada is registered and then does things whose own times run backwards. Answers the last token.
async fn live(client: &Client, interactions: u32) -> String {
    client.provision().await;
    let mut token = client.register("ada").await.consistency_token;
    for n in 0..interactions {
        let day = 28 - n;
        let record = format!(
            r#"{{"guest_id":"ada","kind":"visit.{n}","topic":"Jazz","occurred_at":"2026-02-{day:02}T10:00:00+01:00"}}"#
        );
        token = client.accepted("interactions.record", None, &record).await.consistency_token;
    }
    token
}

fn ids(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["event_id"].as_str().expect("an id")).collect()
}

#[tokio::test]
async fn a_life_is_paged_newest_first_with_every_event_once() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    let token = live(&client, 10).await;

    let events = client.pages("/guests/ada/timeline?limit=4", &token).await;
    let kinds: Vec<_> = events.iter().filter_map(|event| event["summary"]["kind"].as_str()).collect();
    assert_eq!(kinds, (0..10).rev().map(|n| format!("visit.{n}")).collect::<Vec<_>>());
    assert!(events.is_sorted_by(|a, b| a["position"].as_i64() > b["position"].as_i64()), "{events:?}");
    let [.., first, registration] = &events[..] else { panic!("eleven events") };
    assert_eq!(
        (&first["type"], &first["occurred_at"]),
        (&json!("InteractionRecorded"), &json!("2026-02-28T09:00:00Z"))
    );
    assert_eq!(first["summary"], json!({ "kind": "visit.0", "topic": "Jazz" }));
    assert_eq!(registration["type"], "GuestRegistered");
    assert_eq!(registration["occurred_at"], registration["recorded_at"], "it has no time of its own");
    assert_eq!(registration["summary"], json!({ "identifiers": ["user_id"] }));

    let id = client.read("/users/ada", &token).await["guest_id"].as_str().expect("an id").to_owned();
    let by_our_id = client.pages(&format!("/api/v1/guests/{id}/timeline?limit=500"), &token).await;
    assert_eq!(by_our_id, events);
    services.stop().await;
}

#[tokio::test]
async fn a_page_may_end_amid_the_events_of_one_commit() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    let token = live(&client, 3).await;
    let once = client.pages("/guests/ada/timeline?limit=2", &token).await;

    // No command makes more than one event yet: each event gets a companion in its commit.
    let admin = world.database.connect(&world.database.read_admin).await;
    let companions = "INSERT INTO read.timeline
        SELECT tenant, guest_id, position, event_index + 1, event_id || '+', event_type, pp, occurred_at, recorded_at, summary
        FROM read.timeline";
    assert_eq!(admin.execute(companions, &[]).await.expect("inserts"), 4);

    let both: Vec<_> = ids(&once).iter().flat_map(|id| [format!("{id}+"), (*id).to_owned()]).collect();
    for limit in 1..=9 {
        let events = client.pages(&format!("/guests/ada/timeline?limit={limit}"), &token).await;
        assert_eq!(ids(&events), both, "{limit} a page");
    }
    services.stop().await;
}

#[tokio::test]
async fn a_type_leaves_the_others_out() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    let token = live(&client, 5).await;

    let all = client.pages("/guests/ada/timeline?limit=50", &token).await;
    let interactions = client.pages("/guests/ada/timeline?limit=2&type=InteractionRecorded", &token).await;
    let registrations = client.pages("/guests/ada/timeline?limit=2&type=GuestRegistered", &token).await;
    assert_eq!([interactions, registrations].concat(), all);
    services.stop().await;
}

#[tokio::test]
async fn a_timeline_refuses_what_it_cannot_answer() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    let token = live(&client, 3).await;
    let cursor_of = async |path: &str| {
        let page = client.read(path, &token).await;
        page["cursor"]["next"].as_str().expect("another page").to_owned()
    };
    let interactions = cursor_of("/guests/ada/interactions?limit=1").await;
    let timeline = cursor_of("/guests/ada/timeline?limit=1").await;
    let oldest_first = cursor_of("/guests/ada/timeline?limit=1&sort=position").await;
    let did_first = cursor_of("/guests/ada/interactions?limit=1&sort=occurred_at").await;
    let cases = [
        (format!("ada/timeline?cursor={interactions}"), "invalid_cursor"),
        (format!("ada/interactions?cursor={timeline}"), "invalid_cursor"),
        (format!("ada/timeline?cursor={timeline}&type=GuestRegistered"), "cursor_mismatch"),
        (format!("ada/timeline?cursor={timeline}&sort=position"), "cursor_mismatch"),
        (format!("ada/timeline?cursor={oldest_first}&sort=-position"), "cursor_mismatch"),
        (format!("ada/timeline?cursor={oldest_first}"), "cursor_mismatch"),
        (format!("ada/interactions?cursor={interactions}&sort=occurred_at"), "cursor_mismatch"),
        (format!("ada/interactions?cursor={did_first}"), "cursor_mismatch"),
        ("ada/timeline?type=order.created".to_owned(), "invalid_filter"),
        ("ada/timeline?topic=jazz".to_owned(), "invalid_filter"),
        ("ada/timeline?limit=501".to_owned(), "invalid_limit"),
        ("nobody/timeline".to_owned(), "guest_not_found"),
    ];
    for (path, code) in cases {
        assert_eq!(client.get(&format!("/guests/{path}"), &token).await.1["code"], code, "{path}");
    }
    services.stop().await;
}

#[tokio::test]
async fn another_tenant_sees_nothing_of_a_life() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let ours = Client::new(&world, &services.query.url(), "ours").await;
    let theirs = ours.of("theirs");
    theirs.provision().await;
    let in_theirs = theirs.register("ada").await;
    let token = live(&ours, 3).await;

    let id = ours.read("/users/ada", &token).await["guest_id"].as_str().expect("an id").to_owned();
    let (status, problem) = theirs.get(&format!("/guests/{id}/timeline"), &token).await;
    assert_eq!((status.as_u16(), &problem["code"]), (404, &json!("guest_not_found")));
    let namesake = theirs.pages("/guests/ada/timeline?limit=50", &token).await;
    assert_eq!(ids(&namesake), [in_theirs.events[0].id.as_str()]);
    let cursor = ours.read("/guests/ada/timeline?limit=1", &token).await["cursor"]["next"].clone();
    let path = format!("/guests/ada/timeline?cursor={}", cursor.as_str().expect("another page"));
    assert_eq!(theirs.get(&path, &token).await.1["code"], "invalid_cursor");
    services.stop().await;
}
