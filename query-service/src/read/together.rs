//! Reads about one guest each, made together: those that come while others are being made share the next snapshot, and its cost.
//! Nobody waits for company: whoever comes when nothing is under way is read for at once, alone.

use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool_postgres::Pool;
use futures_util::FutureExt as _;
use runtime::tenant::Tenant;
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use super::many::{self, Kind, Plain};
use crate::database::DatabaseFault;

/// Snapshots at once, each of another tenant: of one tenant those that come meanwhile make the next one, which is cheaper than two
/// half as large beside each other.
const UNDER_WAY: usize = 8;
/// Guests of one snapshot.
const MOST: usize = 128;
/// More than there can be connections: a bound all the same.
const MOST_WAITING: usize = 8_192;
/// For the snapshot one is in to begin; from then on the database has its own limits.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// Makes the reads of one kind. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Together(Arc<Shared>);

struct Shared {
    kind: Kind,
    pool: Pool,
    queue: Mutex<Queue>,
    tasks: TaskTracker,
}

#[derive(Default)]
struct Queue {
    /// Of each tenant that waits for its turn, or has it.
    tenants: HashMap<Tenant, VecDeque<Waiting>>,
    /// Tenants take turns: one that asks for much makes no other wait for more than a snapshot.
    turns: VecDeque<Tenant>,
    waiting: usize,
    under_way: usize,
    /// Of whoever comes next.
    number: u64,
}

struct Waiting {
    number: u64,
    guest_id: String,
    answer: oneshot::Sender<Told>,
}

type Told = Result<Option<Plain>, DatabaseFault>;

impl Together {
    pub(super) fn new(kind: Kind, pool: Pool, tasks: TaskTracker) -> Self {
        Self(Arc::new(Shared { kind, pool, queue: Mutex::default(), tasks }))
    }

    /// What there is to see of a guest; `None` when it takes a read of its own to tell.
    pub(super) async fn read(&self, tenant: &Tenant, guest_id: String) -> Result<Option<Plain>, DatabaseFault> {
        let (answer, mut answered) = oneshot::channel();
        let (number, may_begin) = self.queue().enter(tenant, guest_id, answer)?;
        if may_begin {
            // A task of its own: a client that disconnects must not cancel database work half-way.
            self.0.tasks.spawn(self.clone().make());
        }
        let told = match tokio::time::timeout(LONGEST_WAIT, &mut answered).await {
            Ok(told) => told,
            Err(_) if self.queue().leave(tenant, number) => return Err(DatabaseFault::Overloaded),
            Err(_) => answered.await,
        };
        told.unwrap_or(Ok(None))
    }

    /// One snapshot after the other, until nobody waits.
    async fn make(self) {
        let mut turn = self.queue().next(None);
        while let Some((tenant, mut waiting)) = turn {
            waiting.retain(|waiting| !waiting.answer.is_closed());
            if !waiting.is_empty() {
                // However it ends, those who come after have their turn; and whoever is told nothing asks alone.
                drop(AssertUnwindSafe(self.take(&tenant, waiting)).catch_unwind().await);
            }
            turn = self.queue().next(Some(tenant));
        }
    }

    async fn take(&self, tenant: &Tenant, waiting: Vec<Waiting>) {
        let (guests, answers): (Vec<_>, Vec<_>) =
            waiting.into_iter().map(|Waiting { guest_id, answer, .. }| (guest_id, answer)).unzip();
        match many::take(&self.0.pool, tenant, &self.0.kind, &guests).await {
            Ok(seen) => tell(answers.into_iter().zip(seen.into_iter().map(Ok))),
            Err(fault) => tell(answers.into_iter().map(|answer| (answer, Err(fault.clone())))),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(answers: impl Iterator<Item = (oneshot::Sender<Told>, Told)>) {
    for (answer, told) in answers {
        // Whoever asked may have gone.
        drop(answer.send(told));
    }
}

impl Queue {
    /// Under which number one waits, and whether one more may begin to make snapshots.
    fn enter(
        &mut self,
        tenant: &Tenant,
        guest_id: String,
        answer: oneshot::Sender<Told>,
    ) -> Result<(u64, bool), DatabaseFault> {
        if self.waiting >= MOST_WAITING {
            return Err(DatabaseFault::Overloaded);
        }
        self.waiting += 1;
        self.number += 1;
        let number = self.number;
        let waiting = Waiting { number, guest_id, answer };
        if let Some(guests) = self.tenants.get_mut(tenant) {
            guests.push_back(waiting);
            return Ok((number, false));
        }
        self.tenants.insert(tenant.clone(), VecDeque::from([waiting]));
        self.turns.push_back(tenant.clone());
        let may_begin = self.under_way < UNDER_WAY;
        self.under_way += usize::from(may_begin);
        Ok((number, may_begin))
    }

    /// Waits no longer; false when its snapshot has begun. Its tenant keeps its turn.
    fn leave(&mut self, tenant: &Tenant, number: u64) -> bool {
        let Some(guests) = self.tenants.get_mut(tenant) else { return false };
        let place = guests.binary_search_by_key(&number, |waiting| waiting.number);
        let has_left = place.is_ok_and(|place| guests.remove(place).is_some());
        self.waiting -= usize::from(has_left);
        has_left
    }

    /// Whom the next snapshot is for, after one of tenant `done`; `None`, and one less is under way, when nobody waits.
    fn next(&mut self, done: Option<Tenant>) -> Option<(Tenant, Vec<Waiting>)> {
        if let Some(done) = done {
            match self.tenants.get(&done) {
                Some(guests) if !guests.is_empty() => self.turns.push_back(done),
                Some(_) | None => drop(self.tenants.remove(&done)),
            }
        }
        let turn = self.turns.pop_front().and_then(|tenant| {
            let guests = self.tenants.get_mut(&tenant)?;
            let first: Vec<_> = guests.drain(..guests.len().min(MOST)).collect();
            Some((tenant, first))
        });
        match &turn {
            Some((_, first)) => self.waiting -= first.len(),
            None => self.under_way -= 1,
        }
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(queue: &mut Queue, tenant: &str, guest_id: &str) -> Result<bool, DatabaseFault> {
        let (answer, _) = oneshot::channel();
        let entered = queue.enter(&tenant.parse().expect("a token"), guest_id.to_owned(), answer);
        entered.map(|(_, may_begin)| may_begin)
    }

    fn next(queue: &mut Queue, done: Option<&str>) -> Option<(String, usize)> {
        let turn = queue.next(done.map(|tenant| tenant.parse().expect("a token")));
        turn.map(|(tenant, waiting)| (tenant.to_string(), waiting.len()))
    }

    fn turn(tenant: &str, guests: usize) -> (String, usize) {
        (tenant.to_owned(), guests)
    }

    #[test]
    fn tenants_take_turns_however_much_one_of_them_asks() {
        let mut queue = Queue::default();
        for guest in 0..300 {
            enter(&mut queue, "loud", &guest.to_string()).expect("room");
        }
        enter(&mut queue, "calm", "ada").expect("room");
        assert_eq!(next(&mut queue, None), Some(turn("loud", 128)));
        assert_eq!(next(&mut queue, Some("loud")), Some(turn("calm", 1)));
        assert_eq!(next(&mut queue, Some("calm")), Some(turn("loud", 128)));
        assert_eq!(next(&mut queue, Some("loud")), Some(turn("loud", 44)));
        assert_eq!((queue.waiting, queue.tenants.len()), (0, 1));
    }

    #[test]
    fn of_one_tenant_one_snapshot_is_under_way_and_of_all_only_so_many() {
        let mut queue = Queue::default();
        assert!(enter(&mut queue, "demo", "ada").expect("room"));
        assert_eq!(next(&mut queue, None), Some(turn("demo", 1)));
        assert!(!enter(&mut queue, "demo", "bob").expect("room"), "it waits for the one under way");
        let begun = (0..20).filter(|tenant| enter(&mut queue, &format!("tenant-{tenant}"), "ada").expect("room"));
        assert_eq!(begun.count(), UNDER_WAY - 1);
        assert_eq!(next(&mut queue, Some("demo")), Some(turn("tenant-0", 1)), "it has had its turn");
    }

    #[test]
    fn when_nobody_waits_the_next_one_begins_at_once() {
        let mut queue = Queue::default();
        assert!(enter(&mut queue, "demo", "ada").expect("room"));
        assert!(next(&mut queue, None).is_some() && next(&mut queue, Some("demo")).is_none());
        assert_eq!((queue.under_way, queue.tenants.len()), (0, 0));
        assert!(enter(&mut queue, "demo", "ada").expect("room"), "the one before has ended");
    }

    #[test]
    fn who_waits_no_longer_makes_room_and_takes_nobodys_turn() {
        let mut queue = Queue::default();
        for guest in ["ada", "bob"] {
            enter(&mut queue, "demo", guest).expect("room");
        }
        let demo = "demo".parse().expect("a token");
        assert!(queue.leave(&demo, 1) && !queue.leave(&demo, 1));
        assert_eq!(next(&mut queue, None), Some(turn("demo", 1)));
        assert!(!queue.leave(&demo, 2), "it is being read");
        assert_eq!((next(&mut queue, Some("demo")), queue.waiting), (None, 0));
        enter(&mut queue, "demo", "ada").expect("room");
        assert!(queue.leave(&demo, 3));
        assert_eq!(next(&mut queue, None), Some(turn("demo", 0)), "nobody is left to be told");
        assert_eq!((next(&mut queue, Some("demo")), queue.tenants.len()), (None, 0));
    }

    #[test]
    fn a_full_queue_takes_nobody_in() {
        let mut queue = Queue { waiting: MOST_WAITING, ..Queue::default() };
        assert!(matches!(enter(&mut queue, "demo", "ada"), Err(DatabaseFault::Overloaded)));
    }
}
