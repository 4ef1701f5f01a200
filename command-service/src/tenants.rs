//! Which tenants exist, and which of them are suspended: asked of the log, and gone by for a second.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use domain::tenant::Rejection;
use event_log::LogError;
use proto::subject::{LogSubject, Owner, Tenant};
use runtime::limits::Limits;
use tokio::time::Instant;
use tokio::time::error::Elapsed;

use crate::error::Fault;
use crate::event_store::{EventStore, Reach};
use crate::turn_queue::TurnQueue;

/// How long the log's answer is gone by: what another instance decided about a tenant takes effect here within this time.
const GONE_BY_FOR: Duration = Duration::from_secs(1);
/// After this the next command asks again, while others still go by the answer there is: nobody waits in line once a second.
const ASKED_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// For whoever asks to have an answer; the log's own time limit is the same.
const PATIENCE: Duration = Duration::from_secs(5);

/// The tenants seen provisioned so far; bounded by the tenants there are.
pub(crate) struct Tenants {
    known: RwLock<HashMap<Tenant, Known>>,
    /// Held to what the settings of each say.
    limits: Arc<Limits>,
}

/// What the log's leader said of a tenant.
struct Known {
    suspended: bool,
    asked_at: Instant,
    /// Somebody is asking again.
    asking: AtomicBool,
}

/// What is to be done with a command by what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Active,
    Suspended,
    /// Nothing is known, or it was so too long ago.
    Unknown,
}

impl Known {
    fn standing(&self, now: Instant) -> Standing {
        let age = self.age(now);
        let due = age >= ASKED_AGAIN_AFTER && !self.asking.swap(true, Ordering::Relaxed);
        if due || age >= GONE_BY_FOR { Standing::Unknown } else { self.word() }
    }

    fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.asked_at)
    }

    fn word(&self) -> Standing {
        if self.suspended { Standing::Suspended } else { Standing::Active }
    }
}

impl Tenants {
    pub(crate) fn new(limits: Arc<Limits>) -> Self {
        Self { known: RwLock::default(), limits }
    }

    /// Whether commands of the tenant are taken.
    pub(crate) async fn require(
        &self,
        store: &EventStore,
        queue: &Arc<TurnQueue<LogSubject>>,
        tenant: &Tenant,
    ) -> Result<(), Fault> {
        let standing = match self.standing(tenant, Instant::now()) {
            Standing::Unknown => Box::pin(self.ask(store, queue, tenant)).await?,
            known @ (Standing::Active | Standing::Suspended) => known,
        };
        match standing {
            Standing::Active => Ok(()),
            Standing::Suspended => Err(domain::Rejection::from(Rejection::Suspended).into()),
            Standing::Unknown => Err(Fault::TenantUnknown),
        }
    }

    /// Has the next command ask the log. Called in the turn of the tenant's own subject, as [`Self::ask`] is: no older answer is
    /// noted after it.
    pub(crate) fn forget(&self, tenant: &Tenant) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).remove(tenant);
    }

    fn standing(&self, tenant: &Tenant, now: Instant) -> Standing {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(tenant).map_or(Standing::Unknown, |known| known.standing(now))
    }

    async fn ask(
        &self,
        store: &EventStore,
        queue: &Arc<TurnQueue<LogSubject>>,
        tenant: &Tenant,
    ) -> Result<Standing, Fault> {
        let subject = LogSubject::new(tenant.clone(), Owner::tenant());
        let mut place = queue.enter(subject.clone());
        // Those before asked in vain all the time: whoever comes after them hears so as soon as they did.
        let silent = |late: Elapsed| Fault::Log(LogError::NoAnswer("for a tenant", late.into()));
        tokio::time::timeout(PATIENCE, place.turn()).await.map_err(silent)?;
        let asked_at = Instant::now();
        if let Some(standing) = self.asked_lately(tenant, asked_at) {
            return Ok(standing);
        }
        let loaded = store.load(&subject).await?;
        // Only the leader's word counts, be it a refusal or not: what was loaded may be old.
        let loaded = store.catch_up(&subject, &loaded, Reach::Leader).await?;
        let state = &loaded.state.tenant;
        if !state.is_provisioned() {
            return Ok(Standing::Unknown);
        }
        self.limits.agree(tenant, state.requests_per_s());
        Ok(self.note(tenant, Known { suspended: state.is_suspended(), asked_at, asking: AtomicBool::new(false) }))
    }

    /// What somebody was told who asked while this one waited for its turn.
    fn asked_lately(&self, tenant: &Tenant, now: Instant) -> Option<Standing> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(tenant).filter(|known| known.age(now) < ASKED_AGAIN_AFTER).map(Known::word)
    }

    fn note(&self, tenant: &Tenant, known: Known) -> Standing {
        let standing = known.word();
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(tenant.clone(), known);
        standing
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use runtime::limits::LimitSettings;

    use super::*;

    fn tenants(tenant: &Tenant, suspended: bool, asked_at: Instant) -> Tenants {
        let one = NonZeroU32::MIN;
        let tenants = Tenants::new(Arc::new(Limits::new(LimitSettings {
            tenant: one,
            principal: one,
            guest: one,
            refusals: one,
        })));
        tenants.note(tenant, Known { suspended, asked_at, asking: AtomicBool::new(false) });
        tenants
    }

    #[test]
    fn an_answer_is_gone_by_for_a_second_and_one_command_asks_again_before() {
        let (tenant, then) = ("demo".parse().expect("a token"), Instant::now());
        for (suspended, word) in [(false, Standing::Active), (true, Standing::Suspended)] {
            let tenants = tenants(&tenant, suspended, then);
            assert_eq!(tenants.standing(&tenant, then + ASKED_AGAIN_AFTER - Duration::from_millis(1)), word);
            assert_eq!(tenants.standing(&tenant, then + ASKED_AGAIN_AFTER), Standing::Unknown, "this one asks");
            assert_eq!(tenants.standing(&tenant, then + ASKED_AGAIN_AFTER), word, "the others need not");
            assert_eq!(tenants.standing(&tenant, then + GONE_BY_FOR - Duration::from_millis(1)), word);
            for _ in 0..2 {
                assert_eq!(tenants.standing(&tenant, then + GONE_BY_FOR), Standing::Unknown, "nobody told in time");
            }
        }
    }

    #[test]
    fn whoever_waited_takes_the_answer_of_the_one_before_unless_it_is_forgotten_or_old() {
        let (tenant, then) = ("demo".parse().expect("a token"), Instant::now());
        let tenants = tenants(&tenant, true, then);
        assert_eq!(tenants.asked_lately(&tenant, then), Some(Standing::Suspended));
        assert_eq!(
            tenants.asked_lately(&tenant, then + ASKED_AGAIN_AFTER),
            None,
            "it was asked for again because of that"
        );
        tenants.forget(&tenant);
        assert_eq!(tenants.asked_lately(&tenant, then), None);
        assert_eq!(tenants.standing(&tenant, then), Standing::Unknown);
    }
}
