//! Commands about the same thing wait for each other, in the order they came.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Who is in line for what. The guard on append is what keeps writers apart; standing in line only keeps the order of one
/// process's callers, and spares them from refusing each other.
pub(crate) struct TurnQueue<K>(Mutex<Lines<K>>);

struct Lines<K> {
    /// The last place of each line.
    last: HashMap<K, Last>,
    places: u64,
}

struct Last {
    number: u64,
    /// Ends when that place is given up.
    over: oneshot::Receiver<()>,
}

/// A place in line, given up when it is dropped.
pub(crate) struct Place<K: Eq + Hash> {
    queue: Arc<TurnQueue<K>>,
    key: K,
    number: u64,
    before: Option<oneshot::Receiver<()>>,
    /// Dropped with the place, which is what the next one waits for.
    _over: oneshot::Sender<()>,
}

impl<K: Clone + Eq + Hash> TurnQueue<K> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Lines { last: HashMap::new(), places: 0 })))
    }

    /// Gets in line at once, without waiting: the order of calls is the order of turns.
    pub(crate) fn enter(self: &Arc<Self>, key: K) -> Place<K> {
        let (sender, over) = oneshot::channel();
        let mut lines = self.lines();
        lines.places += 1;
        let number = lines.places;
        let before = lines.last.insert(key.clone(), Last { number, over }).map(|last| last.over);
        Place { queue: Arc::clone(self), key, number, before, _over: sender }
    }
}

impl<K> TurnQueue<K> {
    fn lines(&self) -> MutexGuard<'_, Lines<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Place<K> {
    /// Waits until everybody who came before is done.
    pub(crate) async fn turn(&mut self) {
        if let Some(before) = self.before.take() {
            // Nothing is ever sent: the end of the sender is the signal.
            let _ended = before.await;
        }
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut lines = self.queue.lines();
        if lines.last.get(&self.key).is_some_and(|last| last.number == self.number) {
            lines.last.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::TurnQueue;

    #[tokio::test]
    async fn turns_come_in_the_order_of_entering_and_leave_nothing_behind() {
        let queue = TurnQueue::new();
        let (mut first, mut second, mut other) = (queue.enter("ada"), queue.enter("ada"), queue.enter("bo"));
        first.turn().await;
        other.turn().await;
        {
            let mut waiting = std::pin::pin!(second.turn());
            assert!(poll!(waiting.as_mut()).is_pending(), "the first turn is not over");
            drop(first);
            waiting.await;
        }
        drop((second, other));
        assert!(queue.lines().last.is_empty());
    }
}
