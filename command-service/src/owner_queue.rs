//! Commands that wait for the same owner are decided one after another, in the order they came.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use proto::subject::LogSubject;
use tokio::sync::OwnedMutexGuard;

/// The owners that commands are under way for in this process. The guard on append is what keeps writers apart; the queue only
/// spares them from refusing each other.
#[derive(Default)]
pub(crate) struct OwnerQueue(Mutex<HashMap<LogSubject, Arc<tokio::sync::Mutex<()>>>>);

/// The owner is this command's until the turn is dropped.
pub(crate) struct Turn<'a> {
    queue: &'a OwnerQueue,
    subject: LogSubject,
    guard: Option<OwnedMutexGuard<()>>,
}

impl OwnerQueue {
    pub(crate) async fn turn(&self, subject: &LogSubject) -> Turn<'_> {
        let owner = Arc::clone(self.owners().entry(subject.clone()).or_default());
        Turn { queue: self, subject: subject.clone(), guard: Some(owner.lock_owned().await) }
    }

    fn owners(&self) -> std::sync::MutexGuard<'_, HashMap<LogSubject, Arc<tokio::sync::Mutex<()>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut owners = self.queue.owners();
        self.guard.take();
        // Only the map holds it: nobody waits for this owner any more.
        if owners.get(&self.subject).is_some_and(|owner| Arc::strong_count(owner) == 1) {
            owners.remove(&self.subject);
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::subject::Owner;

    use super::*;

    #[tokio::test]
    async fn an_owner_is_forgotten_after_its_last_turn() {
        let queue = OwnerQueue::default();
        let subject = LogSubject::new("demo".parse().expect("a token"), Owner::guest(1));
        let first = queue.turn(&subject).await;
        let mut second = std::pin::pin!(queue.turn(&subject));
        assert!(futures_util::poll!(second.as_mut()).is_pending(), "the first turn is not over");
        drop(first);
        drop(second.await);
        assert!(queue.owners().is_empty());
    }
}
