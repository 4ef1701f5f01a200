//! Waiting for a condition, with a deadline.

use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_mins(1);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// What `look` finds, as soon as it finds something.
pub async fn eventually<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    eventually_within(DEADLINE, what, look).await
}

/// The same for work that is long by nature.
pub async fn eventually_within<T>(deadline: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let give_up = Instant::now() + deadline;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < give_up, "waited {deadline:?} in vain: {what}");
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}
