//! An event of a type nobody here knows, as a newer version of the service might append it.

use async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE;
use async_nats::{Client, HeaderMap};
use event_log::direct_get;
use prost::Message as _;
use proto::subject::{LogSubject, Owner};
use proto::{Commit, StoredEvent};
use serde_json::Value;

/// Appends it behind everything of the guest, as a commit of this facet; answers its position.
pub async fn append_unknown(client: &Client, tenant: &str, guest: &str, facet: &str) -> u64 {
    let subject = LogSubject::new(tenant.parse().expect("a token"), Owner::parse_guest(guest).expect("an id of ours"));
    let last = direct_get::last(client, &subject).await.expect("the log").expect("the guest is registered");
    let before = Commit::decode(last.payload).expect("a commit");
    let event = StoredEvent {
        id: "evt_unknown".to_owned(),
        r#type: "GuestTeleported".to_owned(),
        schema_version: 1,
        ..StoredEvent::default()
    };
    let commit = Commit {
        command_id: "cmd_unknown".to_owned(),
        facet: facet.to_owned(),
        version: before.version + 1,
        events: vec![event],
        occurred_at: before.recorded_at,
        recorded_at: before.recorded_at,
        data_subjects: vec![guest.to_owned()],
        ..Commit::default()
    };
    let mut headers = HeaderMap::new();
    headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, last.position.to_string());
    let answer = client.request_with_headers(subject.to_string(), headers, commit.encode_to_vec().into()).await;
    let answer: Value = serde_json::from_slice(&answer.expect("an answer").payload).expect("JSON");
    answer["seq"].as_u64().expect("it is appended")
}
