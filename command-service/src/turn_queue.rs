//! Commands about the same thing wait for each other, in the order they came.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Who is in line for what. The guard on append is what keeps writers apart; standing in line only keeps the order of one
/// process's callers, and spares them from refusing each other.
pub(crate) struct TurnQueue<K>(Mutex<Lines<K>>);

/// By what somebody has the turn for: who waits behind.
type Lines<K> = HashMap<K, VecDeque<oneshot::Sender<()>>>;

/// A place in line, given up when it is dropped.
pub(crate) struct Place<K: Eq + Hash> {
    queue: Arc<TurnQueue<K>>,
    key: K,
    /// Tells that the turn has come; `None` once it has.
    waiting: Option<oneshot::Receiver<()>>,
}

impl<K: Clone + Eq + Hash> TurnQueue<K> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(HashMap::new())))
    }

    /// Gets in line at once, without waiting: the order of calls is the order of turns.
    pub(crate) fn enter(self: &Arc<Self>, key: K) -> Place<K> {
        let waiting = match self.lines().entry(key.clone()) {
            Entry::Vacant(free) => {
                free.insert(VecDeque::new());
                None
            }
            Entry::Occupied(mut line) => {
                let (turn, waiting) = oneshot::channel();
                line.get_mut().push_back(turn);
                Some(waiting)
            }
        };
        Place { queue: Arc::clone(self), key, waiting }
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
        if let Some(waiting) = &mut self.waiting {
            // The sender stays in line until it is used.
            let _come = waiting.await;
            self.waiting = None;
        }
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut lines = self.queue.lines();
        // Turns are handed on under the lock: one who goes away has the turn now or will not be handed it.
        if self.waiting.take().is_some_and(|mut waiting| waiting.try_recv().is_err()) {
            return;
        }
        let Some(line) = lines.get_mut(&self.key) else { return };
        while let Some(next) = line.pop_front() {
            if next.send(()).is_ok() {
                return;
            }
        }
        lines.remove(&self.key);
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
        assert!(queue.lines().is_empty());
    }

    #[tokio::test]
    async fn one_who_goes_away_lets_nobody_pass_who_is_not_next() {
        let queue = TurnQueue::new();
        let (first, second, mut third) = (queue.enter("ada"), queue.enter("ada"), queue.enter("ada"));
        drop(second);
        let mut waiting = std::pin::pin!(third.turn());
        assert!(poll!(waiting.as_mut()).is_pending(), "the first turn is not over");
        drop(first);
        waiting.await;
    }

    #[tokio::test]
    async fn one_who_waits_is_woken_and_one_who_gave_up_waiting_is_passed_over() {
        let queue = TurnQueue::new();
        let (first, mut second, mut third) = (queue.enter("ada"), queue.enter("ada"), queue.enter("ada"));
        let third = tokio::spawn(async move { third.turn().await });
        {
            let mut waiting = std::pin::pin!(second.turn());
            assert!(poll!(waiting.as_mut()).is_pending());
        }
        tokio::task::yield_now().await;
        assert!(!third.is_finished(), "it waits");
        drop(second);
        drop(first);
        third.await.expect("its turn came");
        assert!(queue.lines().is_empty());
    }

    #[tokio::test]
    async fn a_turn_handed_to_one_who_goes_away_goes_on_to_the_next() {
        let queue = TurnQueue::new();
        let (first, second, mut third) = (queue.enter("ada"), queue.enter("ada"), queue.enter("ada"));
        drop(first);
        drop(second);
        third.turn().await;
        drop(third);
        assert!(queue.lines().is_empty());
    }
}
