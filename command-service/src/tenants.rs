//! Which tenants exist: never created by a typo.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

use proto::subject::{LogSubject, Owner, Tenant};

use crate::error::Fault;
use crate::event_store::EventStore;

/// The tenants seen provisioned so far; bounded by the tenants there are.
#[derive(Default)]
pub(crate) struct Tenants(RwLock<HashSet<Tenant>>);

impl Tenants {
    pub(crate) async fn require(&self, store: &EventStore, tenant: &Tenant) -> Result<(), Fault> {
        if self.0.read().unwrap_or_else(PoisonError::into_inner).contains(tenant) {
            return Ok(());
        }
        let subject = LogSubject::new(tenant.clone(), Owner::tenant());
        while !store.load(&subject).await?.state.tenant.is_provisioned() {
            // Only the leader's word makes it a refusal: what was loaded may come from a follower.
            if store.is_head(&subject, 0).await? {
                return Err(Fault::TenantUnknown);
            }
        }
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(tenant.clone());
        Ok(())
    }
}
