//! Somebody who reads one guest all the time, always no older than what was read before.

use std::time::Duration;

use runtime::http_client::HttpClient;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(super) struct Reader {
    stop: CancellationToken,
    reading: JoinHandle<usize>,
}

impl Reader {
    /// Each answer has to be whole, and no older than the one before, by its position and by its count.
    pub(super) fn start(url: &str, guest: &str, bearer: String) -> Self {
        let stop = CancellationToken::new();
        let (url, stopped) = (format!("{url}/api/v1/guests/{guest}/profile"), stop.clone());
        let reading = tokio::spawn(async move {
            let http = HttpClient::new(Duration::from_secs(20));
            let (mut asked, mut count, mut token) = (0, 0, "0.0".to_owned());
            while !stopped.is_cancelled() {
                let whose = [("Authorization", bearer.as_str()), ("X-Tenant-ID", "demo")];
                let headers = [&whose[..], &[("X-Min-Position", token.as_str()), ("X-Wait-Ms", "10000")]].concat();
                let answer = http.get(&url, &headers).await.expect("an answer");
                let body: Value = serde_json::from_slice(&answer.body).expect("JSON");
                assert!(answer.status.is_success(), "{body}");
                let interactions = body["interaction_count"].as_i64().expect("a whole answer");
                assert!(interactions >= count, "{interactions} after {count}");
                (asked, count, token) = (asked + 1, interactions, body["as_of"].as_str().expect("a token").to_owned());
            }
            asked
        });
        Self { stop, reading }
    }

    /// How often it has read.
    pub(super) async fn stop(self) -> usize {
        self.stop.cancel();
        self.reading.await.expect("every answer was right")
    }
}
