//! One command's way from a subject to a caller's screen, through every door.

use axum::http::StatusCode;
use proto::Reply;
use proto::interactions::RecordInteraction;

use keepsake_tests::harness::{Client, InProcess, World, eventually};

#[tokio::test]
async fn a_command_travels_from_a_subject_to_a_screen() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    let registered = client.register("00042").await;
    assert!(registered.guest_id.starts_with("prf_"), "{registered:?}");
    assert_eq!((registered.durability.as_str(), registered.version), ("fsync", 1));

    let order = r#"{"guest_id":"00042","kind":"order.created","topic":"Music","occurred_at":"1997-01-12T09:30:00+01:00","properties":{"dollar_value":77.00,"big":12345678901234567890.10}}"#;
    let recorded = client.accepted("interactions.record", None, order).await;
    assert_eq!(recorded.guest_id, registered.guest_id);
    assert_eq!(recorded.events[0].r#type, "InteractionRecorded");

    let token = recorded.consistency_token;
    for id in ["00042", registered.guest_id.as_str()] {
        for path in [format!("/users/{id}"), format!("/api/v1/guests/{id}/profile")] {
            let profile = client.read(&path, &token).await;
            assert_eq!(profile["guest_id"], registered.guest_id, "{path}");
            assert_eq!((&profile["interaction_count"], &profile["version"]), (&1.into(), &1.into()), "{profile}");
            assert!(profile["first_seen_at"].as_str().expect("a time").starts_with("1997-01-12T08:30:00"), "{profile}");
        }
    }
    let listed = client.read("/api/v1/guests/00042/interactions?kind=order.created&topic=music", &token).await;
    let interaction = &listed["data"][0];
    assert_eq!(interaction["topic"], "Music");
    assert_eq!(interaction["occurred_at"], "1997-01-12T09:30:00+01:00");
    let summary = client.read("/api/v1/topics/MUSIC/summary", &token).await;
    assert_eq!((&summary["guest_count"], &summary["interaction_count"]), (&1.into(), &1.into()));
    services.stop().await;
}

#[tokio::test]
async fn properties_come_back_digit_for_digit() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    client.register("ada").await;
    let properties = r#"{"dollar_value":77.00,"big":12345678901234567890.10,"note":"ä\n"}"#;
    let body = format!(r#"{{"kind":"order.created","properties":{properties}}}"#);
    let (status, reply) = client.post("/api/v1/guests/ada/interactions", &body).await;
    assert_eq!(status, StatusCode::CREATED, "{reply}");
    let headers = [("X-Tenant-ID", "demo"), ("X-Min-Position", reply["consistency_token"].as_str().expect("a token"))];
    let answer = client.http(axum::http::Method::GET, "/guests/ada/interactions", &headers, "").await;
    let text = String::from_utf8(answer.body.to_vec()).expect("UTF-8");
    assert!(text.contains(properties), "{text}");
    services.stop().await;
}

#[tokio::test]
async fn every_door_leads_to_the_same_rules() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    let (status, _) = client.post("/api/v1/tenants", r#"{"name":"Demo"}"#).await;
    assert_eq!(status, StatusCode::CREATED);
    let (status, ada) = client.post("/users", r#"{"user_id":"ada","attributes":{"plan":"gold"}}"#).await;
    assert_eq!(status, StatusCode::CREATED, "{ada}");
    let (status, again) = client.post("/users", r#"{"user_id":"ada"}"#).await;
    assert_eq!((status, &again["guest_id"]), (StatusCode::OK, &ada["guest_id"]));

    let event = r#"{"userId":"ada","eventName":"product.viewed","eventTime":"2026-03-01T10:00:00Z","topic":"jazz"}"#;
    assert_eq!(client.post("/event", event).await.0, StatusCode::ACCEPTED);
    let path = format!("/api/v1/guests/{}/interactions", ada["guest_id"].as_str().expect("an id"));
    assert_eq!(client.post(&path, r#"{"kind":"product.viewed","topic":"jazz"}"#).await.0, StatusCode::CREATED);
    let protobuf = RecordInteraction {
        guest_id: "ada".into(),
        kind: "product.viewed".into(),
        topic: "jazz".into(),
        ..Default::default()
    };
    let reply: Reply = client.protobuf("interactions.record", &protobuf).await;
    assert_eq!(reply.version, 3);
    let published = r#"{"guest_id":"ada","kind":"product.viewed","topic":"jazz"}"#;
    client.nats.publish("cmd.demo.interactions.record", published.into()).await.expect("publishes");

    eventually("all four interactions are counted", async || {
        let (_, profile) = client.get("/users/ada", "").await;
        (profile["interaction_count"] == 4 && profile["attributes"]["plan"] == "gold").then_some(())
    })
    .await;
    services.stop().await;
}

#[tokio::test]
async fn what_one_sender_publishes_about_a_guest_is_carried_out_in_order() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    for n in 0..50 {
        let register = format!(r#"{{"identifier":"guest-{n}"}}"#);
        let record = format!(r#"{{"guest_id":"guest-{n}","kind":"product.viewed","topic":"order"}}"#);
        client.nats.publish("cmd.demo.guest.register", register.into()).await.expect("publishes");
        client.nats.publish("cmd.demo.interactions.record", record.into()).await.expect("publishes");
    }
    eventually("every guest's interaction is there", async || {
        let (_, summary) = client.get("/api/v1/topics/order/summary", "").await;
        (summary["interaction_count"] == 50 && summary["guest_count"] == 50).then_some(())
    })
    .await;
    services.stop().await;
}

#[tokio::test]
async fn a_list_is_paged_without_gaps_or_repeats() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    client.register("ada").await;
    let mut token = String::new();
    for n in 0..25 {
        // Several share one instant: the order must still be total.
        let day = 1 + n / 3;
        let body = format!(
            r#"{{"guest_id":"ada","kind":"product.viewed","occurred_at":"2026-03-{day:02}T00:00:00Z","properties":{{"n":{n}}}}}"#
        );
        token = client.accepted("interactions.record", None, &body).await.consistency_token;
    }
    let listed = client.pages("/guests/ada/interactions?limit=7", &token).await;
    let seen: Vec<_> = listed.iter().map(|item| item["properties"]["n"].as_i64().expect("n")).collect();
    let mut sorted = seen.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..25).collect::<Vec<_>>(), "seen in this order: {seen:?}");
    services.stop().await;
}
