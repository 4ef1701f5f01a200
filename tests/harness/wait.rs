//! Waiting for a condition, with a deadline.

use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_mins(1);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// What `look` finds, as soon as it finds something.
pub async fn eventually<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    eventually_within(DEADLINE, what, look).await
}

/// The same for work that is long by nature.
pub async fn eventually_within<T>(deadline: Duration, what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    until(deadline, look).await.unwrap_or_else(|| panic!("waited {deadline:?} in vain: {what}"))
}

/// What `look` finds before the deadline.
pub(super) async fn until<T>(deadline: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let give_up = Instant::now() + deadline;
    loop {
        let found = look().await;
        if found.is_some() || Instant::now() >= give_up {
            return found;
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}
