//! Which tenants exist: never created by a typo.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

use proto::subject::{LogSubject, Owner, Tenant};

use crate::error::Fault;
use crate::event_store::{EventStore, Reach};
use crate::turn_queue::TurnQueue;

/// The tenants seen provisioned so far; bounded by the tenants there are.
#[derive(Default)]
pub(crate) struct Tenants(RwLock<HashSet<Tenant>>);

impl Tenants {
    pub(crate) async fn require(
        &self,
        store: &EventStore,
        queue: &Arc<TurnQueue<LogSubject>>,
        tenant: &Tenant,
    ) -> Result<(), Fault> {
        if self.0.read().unwrap_or_else(PoisonError::into_inner).contains(tenant) {
            return Ok(());
        }
        Box::pin(self.ask(store, queue, tenant)).await
    }

    async fn ask(&self, store: &EventStore, queue: &Arc<TurnQueue<LogSubject>>, tenant: &Tenant) -> Result<(), Fault> {
        let subject = LogSubject::new(tenant.clone(), Owner::tenant());
        let mut place = queue.enter(subject.clone());
        place.turn().await;
        let mut loaded = store.load(&subject).await?;
        if !loaded.state.tenant.is_provisioned() {
            // Only the leader's word makes it a refusal: what was loaded may be old.
            loaded = store.catch_up(&subject, &loaded, Reach::Leader).await?;
        }
        if !loaded.state.tenant.is_provisioned() {
            return Err(Fault::TenantUnknown);
        }
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(tenant.clone());
        Ok(())
    }
}
