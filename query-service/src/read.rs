//! The one way to read: as one tenant, from one snapshot, no older than the caller asked for.

mod checkpoints;
mod cluster;
mod many;
mod reach;
mod snapshot;
mod together;
mod transaction;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use deadpool_postgres::Pool;
use proto::identifier::GuestRef;
use runtime::auth::Principal;
use runtime::limits::Limits;
use runtime::problem::Problem;
use runtime::tenant::{RequestTenant, Tenant};
use tokio_util::task::TaskTracker;
use vault::Vault;
use vault::audit::{Act, Trail};

use crate::error::Fault;
use crate::freshness::{AtLeast, Freshness, Patience};
use crate::position::Position;
use crate::resources::{LIVES, PROFILES};
pub(crate) use checkpoints::progress;
pub(crate) use cluster::{canonical_id, members};
pub(crate) use many::{Kind, Plain, identity_of_own};
pub(crate) use reach::{Progress, Reach};
pub(crate) use snapshot::Snapshot;
use together::Together;
pub(crate) use transaction::Query;

/// After this long the vault is taken for gone; its own statement timeout is shorter.
const VAULT_DEADLINE: Duration = Duration::from_secs(6);
const VAULT_DEADLINE_FOR_THE_KNOWN: Duration = Duration::from_millis(250);
/// Whose an identifier is is asked again after this.
const OWNER_FOR: Duration = Duration::from_secs(1);

/// The read models a read uses, by the names of their checkpoints.
pub(crate) type Models = &'static [&'static str];

/// What every read is bounded by: whose rows, and how fresh.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub(crate) tenant: Tenant,
    pub(crate) patience: Patience,
    /// Who asks.
    pub(crate) principal: Principal,
}

impl Scope {
    /// The same, however old the rows are.
    pub(crate) fn of_any_age(self) -> Self {
        Self { patience: AtLeast::default().patience(), ..self }
    }
}

impl<S: Sync> FromRequestParts<S> for Scope {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let RequestTenant(tenant) = RequestTenant::from_request_parts(parts, state).await?;
        let principal = Principal::from_request_parts(parts, state).await?;
        Ok(Self { tenant, patience: AtLeast::of(&parts.headers)?.patience(), principal })
    }
}

/// The read database and the register of identifiers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Reader {
    pool: Pool,
    vault: Vault,
    audit: Trail,
    limits: Arc<Limits>,
    freshness: Arc<Freshness>,
    profiles: Together,
    lives: Together,
    tasks: TaskTracker,
}

impl Reader {
    pub(crate) fn new(pool: Pool, vault: Vault, audit: Trail, limits: Arc<Limits>, freshness: Freshness) -> Self {
        let (freshness, tasks) = (Arc::new(freshness), TaskTracker::new());
        let profiles = Together::new(PROFILES, pool.clone(), tasks.clone());
        let lives = Together::new(LIVES, pool.clone(), tasks.clone());
        Self { pool, vault, audit, limits, freshness, profiles, lives, tasks }
    }

    /// Reads `queries`, which see what is in `reach`, once that is as far as the caller asked for.
    pub(crate) async fn read<const N: usize>(
        &self,
        scope: &Scope,
        reach: Reach,
        queries: [Query; N],
    ) -> Result<Snapshot<N>, Fault> {
        let (reader, scope) = (self.clone(), scope.clone());
        self.detached(async move { reader.read_fresh(&scope, reach, &queries).await }).await
    }

    /// Who was merged with a guest is known only once the guest's own rows are far enough, and those others' rows may be in
    /// lanes that are not: then the read is done again as soon as these are, too. Each further round takes a partition in.
    async fn read_fresh<const N: usize>(
        &self,
        scope: &Scope,
        mut reach: Reach,
        queries: &[Query; N],
    ) -> Result<Snapshot<N>, Fault> {
        let patience = scope.patience;
        loop {
            self.freshness.wait(&reach, patience).await?;
            let snapshot = snapshot::take(&self.pool, &scope.tenant, &reach, queries).await?;
            self.limits.agree(&scope.tenant, snapshot.requests_per_s);
            if snapshot.as_of >= patience.position {
                let snapshot = reach.unless_parked(snapshot, patience.position)?;
                if snapshot.suspended {
                    return Err(Fault::TenantSuspended);
                }
                self.record(scope, &reach, snapshot.canonical_id.as_deref())?;
                return Ok(snapshot);
            }
            if !reach.widen(&snapshot.partitions) {
                return Err(self.freshness.taken_back());
            }
        }
    }

    /// The profile of a guest, when it is plain and as far as the caller asked for: all others are for [`Self::read`].
    pub(crate) async fn plain_profile(&self, scope: &Scope, reach: &Reach) -> Result<Option<Plain>, Fault> {
        let patience = scope.patience;
        self.freshness.wait(reach, patience).await?;
        let plain = self.profiles.read(&scope.tenant, reach.guest_id.clone()).await?;
        let Some(plain) = plain.filter(|plain| plain.as_of >= patience.position) else { return Ok(None) };
        self.limits.agree(&scope.tenant, plain.requests_per_s);
        self.record(scope, reach, Some(&reach.guest_id))?;
        Ok(Some(plain))
    }

    /// Whether something happened to a guest after this position; true as well when it takes a read of its own to tell.
    pub(crate) async fn has_more(&self, tenant: &Tenant, guest_id: &str, after: Position) -> Result<bool, Fault> {
        let Some(plain) = self.lives.read(tenant, guest_id.to_owned()).await? else { return Ok(true) };
        Ok(plain.row.try_get::<_, i64>("latest")? > after.0)
    }

    fn record(&self, scope: &Scope, reach: &Reach, shown: Option<&str>) -> Result<(), Fault> {
        let Some((act, guest_id)) = reach.act.zip(shown) else { return Ok(()) };
        self.note(scope, act, guest_id)
    }

    /// Has it on record that what is known of a guest is shown.
    pub(crate) fn note(&self, scope: &Scope, act: &'static Act, guest_id: &str) -> Result<(), Fault> {
        Ok(self.audit.note(&scope.tenant, &self.vault.actor(&scope.principal), act, guest_id)?)
    }

    /// Our id of the guest a request names; empty, which finds no rows, when the tenant never registered that identifier, or when
    /// it is another guest that asks.
    pub(crate) async fn guest_id(&self, scope: &Scope, guest: GuestRef) -> Result<String, Fault> {
        let Some(own) = scope.principal.own() else { return self.id_of(scope, guest).await };
        // Of others nothing is looked up: how long it takes would tell who is known.
        let own_id = self.id_of(scope, GuestRef::Theirs(own.clone())).await?;
        let is_own = match guest {
            GuestRef::Ours(owner) => owner.to_string() == own_id,
            GuestRef::Theirs(identifier) => identifier == *own,
        };
        Ok(if is_own { own_id } else { String::new() })
    }

    async fn id_of(&self, scope: &Scope, guest: GuestRef) -> Result<String, Fault> {
        let identifier = match guest {
            GuestRef::Ours(owner) => return Ok(owner.to_string()),
            GuestRef::Theirs(identifier) => identifier,
        };
        let (vault, tenant) = (self.vault.clone(), scope.tenant.clone());
        // Whoever waits for a position may wait for an identifier that was given to somebody else.
        let (newest, known) = if scope.patience.position == Position::default() {
            (OWNER_FOR, vault.remembered(&tenant, &identifier))
        } else {
            (Duration::ZERO, None)
        };
        let deadline = if known.is_some() { VAULT_DEADLINE_FOR_THE_KNOWN } else { VAULT_DEADLINE };
        let asked = self.detached(async move {
            let asked = tokio::time::timeout(deadline, vault.look_up(&tenant, &identifier, newest)).await;
            Ok(asked.map_err(|_| Fault::VaultAway("no answer in time".to_owned()))??)
        });
        let owner = match asked.await {
            // Better whose it was a while ago than nobody's.
            Err(Fault::VaultAway(_)) if known.is_some() => known,
            asked => asked?,
        };
        Ok(owner.map(|owner| owner.to_string()).unwrap_or_default())
    }

    pub(crate) async fn ping(&self) -> Result<(), Fault> {
        checkpoints::ping(&self.pool).await
    }

    pub(crate) async fn ping_vault(&self) -> Result<(), Fault> {
        Ok(self.vault.ping().await?)
    }

    /// Follows the read models' progress for the requests that wait for it, until the process stops.
    pub(crate) async fn follow(self) -> anyhow::Result<()> {
        self.freshness.follow(&self.pool).await;
        self.tasks.close();
        self.tasks.wait().await;
        Ok(())
    }

    /// Runs `work` in a task of its own: a client that disconnects must not cancel database work half-way.
    async fn detached<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Fault>> + Send + 'static,
    ) -> Result<T, Fault> {
        self.tasks.spawn(work).await?
    }
}
