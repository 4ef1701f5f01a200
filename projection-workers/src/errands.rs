//! Everything that goes out: the publisher, the outbox, the timers and the policies, each an errand that one process does at a time.

use async_nats::Client;
use deadpool_postgres::Pool;
use runtime::Running;
use tokio_util::sync::CancellationToken;
use vault::Vault;

use crate::due;
use crate::errand::{self, Status};
use crate::follow::{Follower, Following};
use crate::metrics::Metrics;
use crate::outbox::Sender;
use crate::policy::{Policy, Runner};
use crate::publisher::Publisher;

/// Each borrows one for a moment; the timers keep theirs while they fire.
pub(crate) const CONNECTIONS: usize = 4;

/// What errands need. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Errands {
    pub(crate) nats: Client,
    pub(crate) pool: Pool,
    pub(crate) vault: Vault,
    pub(crate) status: Status,
    pub(crate) metrics: Metrics,
}

impl Errands {
    /// Starts all of them.
    pub(crate) fn start(&self, policies: &[&'static dyn Policy], running: &mut Running, stop: &CancellationToken) {
        let Self { nats, pool, vault, status, metrics } = self.clone();
        self.follow(Publisher, running, stop);
        for policy in policies.iter().copied() {
            self.follow(Runner { policy, vault: vault.clone() }, running, stop);
        }
        let sender = Sender { nats: nats.clone(), status: status.clone(), metrics: metrics.clone() };
        running.spawn(errand::run(sender, pool.clone(), status.clone(), stop.clone()));
        running.spawn(due::run(nats, pool, status, metrics, stop.clone()));
    }

    fn follow(&self, follower: impl Follower, running: &mut Running, stop: &CancellationToken) {
        let Self { nats, pool, status, metrics, .. } = self.clone();
        let following = Following { follower, nats, status: status.clone(), metrics };
        running.spawn(errand::run(following, pool, status, stop.clone()));
    }
}
