//! Whoever may not read any more is shown nothing any more, also on a stream that was opened before.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use keepsake_tests::harness::events::{Event, Events};
use serde_json::Value;
use tokio::time::timeout;

use super::{Scene, visits};

const KEYS: &str = "/api/v1/api-keys";
/// A stream looks every 15 seconds whether its reader still may.
const SOON_AFTER: Duration = Duration::from_secs(25);

impl Scene {
    /// A new key that opens streams: its bearer's `Authorization`, and its id.
    async fn key(&self) -> (String, String) {
        let wanted = r#"{"name":"wall","scopes":["interaction:read"]}"#;
        let headers = [("X-Tenant-ID", "demo"), ("Content-Type", "application/json")];
        let answer = self.client.http(Method::POST, KEYS, &headers, wanted).await;
        assert_eq!(answer.status, StatusCode::CREATED);
        let issued: Value = serde_json::from_slice(&answer.body).expect("JSON");
        let text = |field: &str| issued[field].as_str().expect("a text").to_owned();
        (format!("Bearer {}", text("key")), text("key_id"))
    }

    /// What a stream ends with while there is always something to show.
    async fn end_of_a_busy_stream(&self, guest: &str, mut events: Events) -> Event {
        let mut number = 0;
        loop {
            self.record(guest, number).await;
            let event = events.next().await.expect("it says why it ends");
            if event.name == "problem" {
                assert_eq!(events.next().await, None);
                return event;
            }
            assert_eq!(vec![event.data["summary"]["kind"].as_str().expect("a kind")], visits([number]));
            number += 1;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_soon_after_its_key_is_revoked_however_much_happens() {
    let scene = Scene::start().await;
    scene.client.register("ada").await;
    let token = scene.client.register("bob").await.consistency_token;
    let (key, key_id) = scene.key().await;
    let watching = async |guest: &str| {
        let url = format!("{}/api/v1/guests/{guest}/live", scene.services.query.url());
        let headers = [("Authorization", key.as_str()), ("X-Tenant-ID", "demo"), ("X-Min-Position", &token)];
        let mut events = Events::open(&url, &headers).await.expect("a stream");
        assert_eq!(events.next().await.expect("an event").name, "ready");
        events
    };
    let (busy, mut silent) = (watching("ada").await, watching("bob").await);
    let path = format!("{KEYS}/{key_id}");
    let revoked = scene.client.http(Method::DELETE, &path, &[("X-Tenant-ID", "demo")], "").await;
    assert_eq!(revoked.status, StatusCode::NO_CONTENT);

    let ends = async { tokio::join!(scene.end_of_a_busy_stream("ada", busy), silent.next()) };
    let (busy, silent) = timeout(SOON_AFTER, ends).await.expect("both streams end");
    for end in [busy, silent.expect("it says why it ends")] {
        assert_eq!((end.name.as_str(), &end.data["code"]), ("problem", &"token_invalid".into()));
    }
    scene.services.stop().await;
}
