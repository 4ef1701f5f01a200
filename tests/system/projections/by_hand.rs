//! Commits no command makes today: several events in one, several identifiers, topics nobody has trimmed, somebody unregistered, a merge.

use async_nats::jetstream;
use keepsake_tests::harness::World;
use keepsake_tests::harness::merge::merge;
use prost::Message as _;
use prost_types::Timestamp;
use proto::guest::event::Kind as GuestEvent;
use proto::guest::{GuestRegistered, Identifier};
use proto::interactions::InteractionRecorded;
use proto::interactions::event::Kind as InteractionEvent;
use proto::subject::{LogSubject, Owner};
use proto::{Commit, Event};
use runtime::config::Secret;
use vault::Vault;

const RECORDED_AT: Timestamp = Timestamp { seconds: 1_772_355_600, nanos: 123_456_000 };
const TOPICS: [&str; 6] = [" \tHandmade\u{a0}", "HANDMADE", "handmade", "\u{3000} ", "", "\u{2003}J\u{30c}\n"];

/// Appends them for two guests of the tenant.
pub(super) async fn append(world: &World, client: &async_nats::Client, tenant: &str) {
    let key_file = world.key_file();
    let vault = Vault::connect(&Secret::new(world.database.vault_keeper.clone()), &key_file).expect("a vault");
    let context = jetstream::new(client.clone());
    let [registered, unregistered, merged] =
        [1, 2, 3].map(|guest| LogSubject::new(tenant.parse().expect("a token"), Owner::guest(guest)));
    let commits = [
        (&registered, 1, vec![registration()]),
        (&registered, 6, interactions(0)),
        (&unregistered, 6, interactions(1)),
        (&registered, 12, interactions(2)),
        (&merged, 1, vec![registration()]),
    ];
    for (number, (subject, version, events)) in commits.into_iter().enumerate() {
        vault.add_guest(&subject.tenant, &subject.owner).await.expect("the guest has keys");
        let keys = vault.keys(&subject.tenant, &subject.owner).await.expect("the vault answers");
        let facet = events[0].event_type().facet.to_owned();
        let seal = |(index, event)| vault::seal(subject, format!("evt_{number}_{index}"), event, keys.as_deref());
        let events = events.iter().enumerate().map(seal).collect::<Result<_, _>>().expect("seals");
        let (command_id, recorded_at) = (format!("by-hand-{number}"), Some(RECORDED_AT));
        let commit = Commit { command_id, facet, version, events, recorded_at, ..Commit::default() };
        let sent = context.publish(subject.to_string(), commit.encode_to_vec().into()).await;
        sent.expect("publishes").await.expect("is acknowledged");
    }
    merge(client, tenant, "by-hand", merged.owner.as_str(), &[registered.owner.as_str()]).await;
}

fn registration() -> Event {
    let known_as =
        [("user_id", "by hand"), ("email", "hand@example.com"), ("email", "HAND@example.com"), ("x", "'\"\\")];
    let identifiers =
        known_as.map(|(namespace, value)| Identifier { namespace: namespace.into(), value: value.into() });
    let attributes = r#"{"amount" : 77.00}"#.to_owned();
    Event::Guest(GuestEvent::GuestRegistered(GuestRegistered { identifiers: identifiers.into(), attributes }))
}

/// One about each topic; the later the event, the earlier it happened.
fn interactions(week: i64) -> Vec<Event> {
    let at = |day: usize| Timestamp { seconds: (week - i64::try_from(day).expect("small")) * 86_400, nanos: 1_000 };
    let recorded = TOPICS.iter().enumerate().map(|(day, topic)| InteractionRecorded {
        kind: "made.by_hand".to_owned(),
        topic: (*topic).to_owned(),
        occurred_at: Some(at(day)),
        occurred_at_offset_minutes: -30,
        properties: String::new(),
        context: r#"{"channel":"hand"}"#.to_owned(),
        told_at: Some(at(day + 1)),
    });
    recorded.map(|recorded| Event::Interactions(InteractionEvent::InteractionRecorded(recorded))).collect()
}
