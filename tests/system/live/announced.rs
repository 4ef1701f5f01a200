//! A stream shows what it is told of, and does not wait until it would have looked by itself.

use std::time::Duration;

use tokio::time::timeout;

use super::{Scene, kinds, visits};

/// Less than the 15 seconds after which a stream looks without news.
const SOON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_is_shown_long_before_a_stream_would_look_by_itself() {
    let scene = Scene::start().await;
    let token = scene.client.register("ada").await.consistency_token;
    let (mut events, _) = scene.watching("ada", &[("X-Min-Position", &token)]).await;
    for number in 1..=3 {
        scene.record("ada", number).await;
        let shown = timeout(SOON, kinds(&mut events, 1)).await;
        assert_eq!(shown.expect("it is heard of"), visits([number]));
    }
    drop(events);
    scene.services.stop().await;
}
