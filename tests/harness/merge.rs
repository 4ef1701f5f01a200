//! A merge of guests as no command makes one: of guests who are part of others already, or of many at once, appended by the test.

use async_nats::header::{
    NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL, NATS_BATCH_ID, NATS_BATCH_SEQUENCE, NATS_EXPECTED_LAST_SUBJECT_SEQUENCE,
};
use async_nats::{Client, HeaderMap};
use event_log::direct_get;
use prost::Message as _;
use prost_types::Timestamp;
use proto::commit::BatchPart;
use proto::guest::event::Kind as GuestEvent;
use proto::guest::{GuestAbsorbed, GuestMerged};
use proto::subject::{LogSubject, Owner};
use proto::{Commit, Event, token};
use runtime::clock;
use serde_json::Value;

use super::eventually;

const FACET: &str = "guest";

/// Merges registered guests, all or none, whatever else is being written about them. Answers the token of the whole merge.
pub async fn merge(client: &Client, tenant: &str, merge_id: &str, survivor: &str, absorbed: &[&str]) -> String {
    let guest =
        |id: &str| LogSubject::new(tenant.parse().expect("a token"), Owner::parse_guest(id).expect("an id of ours"));
    let absorbed_ids = absorbed.iter().map(ToString::to_string).collect();
    let merged =
        GuestEvent::GuestMerged(GuestMerged { absorbed_ids, merge_id: merge_id.to_owned(), ..GuestMerged::default() });
    let mut parts = vec![(guest(survivor), merged)];
    for id in absorbed {
        let absorbed = GuestAbsorbed { survivor_id: survivor.to_owned(), merge_id: merge_id.to_owned() };
        parts.push((guest(id), GuestEvent::GuestAbsorbed(absorbed)));
    }
    eventually("the merge meets nobody else's commit", async || append(client, merge_id, &parts).await).await
}

/// One try; `None` when somebody else wrote about one of the guests at the same time.
async fn append(client: &Client, merge_id: &str, parts: &[(LogSubject, GuestEvent)]) -> Option<String> {
    let batch_id = format!("{merge_id}-{}", clock::ordered_id().simple());
    let count = u32::try_from(parts.len()).expect("small");
    for (index, (subject, event)) in (0..).zip(parts) {
        let (commit, head) = next_commit(client, subject, merge_id, event).await;
        let commit = Commit { batch: Some(BatchPart { id: batch_id.clone(), index, count }), ..commit };
        let mut headers = HeaderMap::new();
        headers.insert(NATS_BATCH_ID, batch_id.as_str());
        headers.insert(NATS_BATCH_SEQUENCE, (index + 1).to_string());
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, head.to_string());
        let (subject, payload) = (subject.to_string(), commit.encode_to_vec().into());
        if index + 1 < count {
            client.publish_with_headers(subject, headers, payload).await.expect("publishes");
        } else {
            headers.insert(NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL);
            let answer = client.request_with_headers(subject, headers, payload).await.expect("an answer");
            let answer: Value = serde_json::from_slice(&answer.payload).expect("JSON");
            return answer["seq"].as_u64().map(token::write);
        }
    }
    unreachable!("a merge has at least one guest")
}

/// The commit that comes next on the subject, and the position of the one before it.
async fn next_commit(client: &Client, subject: &LogSubject, merge_id: &str, event: &GuestEvent) -> (Commit, u64) {
    let stored = direct_get::commits(client, subject, 1).await.expect("the log");
    let decoded = |stored: &direct_get::StoredCommit| Commit::decode(stored.payload.clone()).expect("a commit");
    let (head, life) =
        (stored.last().expect("the guest is registered"), stored.iter().map(decoded).collect::<Vec<_>>());
    let version = life.iter().rev().find(|commit| commit.facet == FACET).expect("it is registered").version + 1;
    let last = life.last().expect("the same");
    let snapshot_position = if last.snapshot.is_some() { head.position } else { last.snapshot_position };
    let (event, now) = (Event::Guest(event.clone()), clock::now());
    let event =
        vault::seal(subject, format!("evt_{merge_id}_{}", subject.owner), &event, None).expect("all of it is open");
    let recorded_at = Timestamp { seconds: now.timestamp(), nanos: now.timestamp_subsec_nanos().cast_signed() };
    let commit = Commit {
        command_id: merge_id.to_owned(),
        facet: FACET.to_owned(),
        version,
        events: vec![event],
        occurred_at: Some(recorded_at),
        recorded_at: Some(recorded_at),
        data_subjects: vec![subject.owner.to_string()],
        snapshot_position,
        ..Commit::default()
    };
    (commit, head.position)
}
