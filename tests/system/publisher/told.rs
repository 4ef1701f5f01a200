//! What each published event says, and what it does not.

use keepsake_tests::harness::{Client, InProcess, Published, World, repository, until_published};
use serde_json::{Value, json};

use super::is_all_told;

/// Texts that stand nowhere by chance.
const CANARIES: [&str; 5] = ["canary-quokka", "canary-wombat", "canary_numbat", "canary-dunnart", "canary-bilby"];

/// The event that the documentation shows.
fn documented() -> Value {
    let page = std::fs::read_to_string(repository().join("docs/published-events.md")).expect("the page");
    let block = page.split("```json").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    serde_json::from_str(block).expect("JSON")
}

/// What an object has, without what it says there.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(members) => members.iter().map(|(name, member)| (name.clone(), shape(member))).collect(),
        Value::Array(items) => items.clone().into(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Value::Null,
    }
}

fn assert_nothing_of_a_person(told: &[Published]) {
    for published in told {
        let text = published.event.to_string();
        assert!(CANARIES.iter().all(|canary| !text.contains(canary)), "{text}");
        assert_eq!(published.message_id, published.id());
        let tenant = published.event["tenant"].as_str().expect("a tenant");
        assert_eq!(published.subject, format!("pub.{tenant}.{}", published.event["type"].as_str().expect("a type")));
    }
}

fn the<'a>(told: &'a [Published], name: &str) -> &'a Value {
    &told.iter().find(|it| it.event["type"] == name).expect("it is told").event
}

async fn start() -> (World, InProcess, Client) {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    (world, services, client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_is_told_in_order_with_ids_and_times_and_nothing_of_a_person() {
    let (world, services, client) = start().await;
    client.of("other").provision().await;
    let [identifier, attribute, kind, topic, property] = CANARIES;
    let register = format!(r#"{{"identifier":"{identifier}","attributes":{{"name":"{attribute}"}}}}"#);
    let ada = client.accepted("guest.register", None, &register).await.guest_id;
    client.register("bob").await;
    client.of("other").register("bob").await;
    let rich = format!(
        r#"{{"guest_id":"{identifier}","kind":"{kind}","topic":"{topic}","occurred_at":"2026-03-01T10:00:00+05:30","properties":{{"note":"{property}"}}}}"#
    );
    let recorded = client.accepted("interactions.record", None, &rich).await;
    until_published(&world, &client).await;

    let told = is_all_told(&client).await;
    assert_nothing_of_a_person(&told);
    let interaction = the(&told, "guest.interaction.recorded");
    let time = interaction["time"].as_str().expect("a time");
    assert_eq!(
        *interaction,
        json!({
            "specversion": "1.0",
            "id": recorded.events[0].id,
            "source": "/keepsake/demo",
            "type": "guest.interaction.recorded",
            "subject": ada,
            "time": time,
            "datacontenttype": "application/json",
            "tenant": "demo",
            "position": recorded.consistency_token,
            "data": {
                "guest_id": ada,
                "occurred_at": "2026-03-01T10:00:00+05:30",
                "sealed": ["kind", "topic", "properties", "context"],
            },
        })
    );
    assert!(time.ends_with('Z') && time.len() == "2026-03-01T10:00:00.000000Z".len(), "{time}");
    assert_eq!(shape(interaction), shape(&documented()), "docs/published-events.md shows what subscribers get");
    let sealed = json!({"guest_id": ada, "sealed": ["identifiers", "attributes"]});
    assert_eq!(the(&told, "guest.profile.created")["data"], sealed);
    services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_whom_is_told_by_ids_of_ours_and_by_nothing_of_a_person() {
    let (world, services, client) = start().await;
    let [identifier, attribute, name, reason, _] = CANARIES;
    let register = format!(r#"{{"identifier":"{identifier}","attributes":{{"plan":"{attribute}"}}}}"#);
    let ada = client.accepted("guest.register", None, &register).await.guest_id;
    let bob = client.accepted("guest.register", None, r#"{"identifier":"bob","attributes":{"plan":1}}"#).await.guest_id;
    let link = format!(r#"{{"guest_id":"{ada}","identifier":"{name}","identifier_namespace":"email"}}"#);
    let login = format!(r#"{{"user_id":"carl","anonymous_id":"{identifier}","anonymous_namespace":"user_id"}}"#);
    let merge =
        format!(r#"{{"guest_id":"{ada}","absorbed_id":"{bob}","prefer_absorbed":["plan"],"reason":"{reason}"}}"#);
    for (command, body) in [("link", &link), ("unlink", &link), ("identify", &login), ("merge", &merge)] {
        client.accepted(&format!("guest.{command}"), None, body).await;
    }
    until_published(&world, &client).await;
    let told = is_all_told(&client).await;
    let mut merged = the(&told, "guest.profile.merged")["data"].clone();
    let merge_id = merged.as_object_mut().expect("an object").remove("merge_id").expect("told");
    let sealed = ["attributes", "offered", "preferred", "reason"];
    assert_eq!(merged, json!({"survivor_id": ada, "absorbed_ids": [bob], "cause": "merge", "sealed": sealed}));
    let linked = json!({"guest_id": ada, "changed": ["identifiers"], "sealed": ["identifier"]});
    assert_eq!(the(&told, "guest.profile.updated")["data"], linked);

    let unmerge = format!(r#"{{"guest_id":"{bob}","merge_id":{merge_id},"reason":"{reason}"}}"#);
    client.accepted("guest.unmerge", None, &unmerge).await;
    until_published(&world, &client).await;
    let told = is_all_told(&client).await;
    assert_nothing_of_a_person(&told);
    let expected =
        json!({"survivor_id": ada, "restored_ids": [bob], "merge_id": merge_id, "sealed": ["attributes", "reason"]});
    assert_eq!(the(&told, "guest.profile.unmerged")["data"], expected);
    services.stop().await;
}
