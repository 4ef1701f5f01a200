//! What happens to every command: find the owner, load, decide, append; on conflict decide again, a bounded number of times.

mod claims;
mod reply;
mod settle;
mod together;

use std::sync::Arc;

use domain::guest::Rejection;
use event_log::durability::DurabilityProof;
use proto::guest::command::Kind as GuestCommand;
use proto::identifier::Identifier;
use proto::subject::{LogSubject, Tenant};
use proto::{Command, Reply};
use runtime::limits::Limits;
use runtime::trace;
use tracing::Instrument as _;
use vault::Vault;

use crate::acts::Acts;
use crate::commit::{Request, Resolved};
use crate::error::Fault;
use crate::event_store::EventStore;
use crate::spans;
use crate::target::{self, Finder, Party, Target};
use crate::tenants::Tenants;
use crate::turn_queue::TurnQueue;
use settle::Settled;

/// How often it is found anew whom a command is about. Identifiers and merges change seldom.
const SEARCHES: u32 = 5;

pub(crate) struct Executor {
    store: EventStore,
    vault: Vault,
    durability: DurabilityProof,
    queue: Arc<TurnQueue<LogSubject>>,
    tenants: Tenants,
    pub(crate) acts: Acts,
}

impl Executor {
    pub(crate) fn new(store: EventStore, vault: Vault, durability: DurabilityProof, limits: Arc<Limits>) -> Self {
        let (tenants, acts) = (Tenants::new(limits), Acts::new(vault.clone()));
        Self { store, vault, durability, queue: TurnQueue::new(), tenants, acts }
    }

    /// Carries the command out, once however often it is sent.
    pub(crate) async fn execute(&self, request: &Request) -> Result<Reply, Fault> {
        let span = trace::step(|| spans::command(request));
        let outcome = self.carry_out(request).instrument(span.clone()).await;
        spans::carried_out(&span, outcome.as_ref());
        if let Err(Fault::KeyMissing { subject, which }) = &outcome {
            tracing::error!(alarm = "key_missing", %subject, which, "a guest who was not erased has lost a key: restore the vault");
            self.store.note_keyless(subject);
        }
        outcome
    }

    /// Whether the vault answers and has every key it was asked for.
    pub(crate) async fn require_vault(&self) -> Result<(), Fault> {
        self.vault.ping().await?;
        self.store.require_complete_vault().await
    }

    async fn carry_out(&self, request: &Request) -> Result<Reply, Fault> {
        self.durability.level().await?;
        self.require_tenant(request).await?;
        if is_on_record(&request.command) {
            Box::pin(self.acts.record(request)).await?;
        }
        if target::may_be_new(&request.command) {
            Box::pin(self.store.require_complete_vault()).await?;
        }
        let outcome = self.search_and_settle(request).await;
        if let Command::Tenant(_) = request.command {
            // However it ended: what may be stored takes effect here at once.
            self.tenants.forget(&request.tenant);
        }
        let reply = outcome?;
        // Proved on the connection the acknowledgement came by, or not named; what was stored stays stored.
        let level = self.durability.level().await.map_err(|unproved| {
            if reply.replayed || reply.events.is_empty() {
                return Fault::from(unproved);
            }
            tracing::warn!(
                error = &unproved as &dyn std::error::Error,
                "a commit was stored, and nothing proves how well"
            );
            Fault::OutcomeUnknown
        })?;
        Ok(Reply { durability: level.name().to_owned(), ..reply })
    }

    /// Finds whom the command is about, and settles it there; anew when it turns out to be somebody else.
    async fn search_and_settle(&self, request: &Request) -> Result<Reply, Fault> {
        let mut why = Fault::VersionConflict;
        for search in 0..SEARCHES {
            // Whoever was faster is about to say so.
            if search > 1 {
                tokio::time::sleep(settle::PAUSE * (1 << search)).await;
            }
            let finder = Finder { vault: &self.vault, store: &self.store, request, anew: search > 0 };
            let target = match finder.find().await {
                // Claimed by somebody who is about to say so, or to die.
                Err(taken @ Fault::Rejected(domain::Rejection::Guest(Rejection::IdentifierTaken))) => {
                    why = taken;
                    continue;
                }
                found => found?,
            };
            reply::require_owner(request.owner.as_deref(), &target)?;
            let settled = if target.others.is_empty() {
                self.settle_alone(request, target).await
            } else {
                Box::pin(self.settle_with_others(request, target)).await
            };
            match settled? {
                Settled::Done(reply) => return Ok(reply),
                Settled::Elsewhere(fault) => why = fault,
            }
        }
        Err(why)
    }

    async fn settle_alone(&self, request: &Request, target: Target) -> Result<Settled, Fault> {
        let resolved = Resolved::new(request, target);
        // Loads and appends of one owner come one after the other, so nothing is loaded twice at the same time.
        let mut place = self.queue.enter(resolved.subject.clone());
        place.turn().await;
        if let Command::Guest(GuestCommand::Unlink(_)) = request.command {
            return Box::pin(self.settle_unlink(&resolved)).await;
        }
        self.settle(&resolved).await
    }

    async fn settle_unlink(&self, resolved: &Resolved<'_>) -> Result<Settled, Fault> {
        let given = self.to_give_back(resolved).await?;
        let settled = self.settle(resolved).await?;
        if let (Settled::Done(reply), Some(given)) = (&settled, given) {
            let appended = !reply.replayed && !reply.events.is_empty();
            let given_back = self.give_back(resolved, given, appended).await;
            given_back.map_err(|fault| if appended { Fault::half_done(&fault) } else { fault })?;
        }
        Ok(settled)
    }

    /// The places are taken in one order by everybody, so that nobody waits in a circle.
    async fn settle_with_others(&self, request: &Request, target: Target) -> Result<Settled, Fault> {
        let subject = |other: &Party| LogSubject::new(request.tenant.clone(), other.owner.clone());
        let others: Vec<_> = target.others.iter().map(subject).collect();
        let resolved = Resolved::new(request, target);
        let mut subjects: Vec<&LogSubject> = others.iter().chain([&resolved.subject]).collect();
        subjects.sort_by_key(|subject| subject.owner.as_str());
        subjects.dedup();
        let mut places = Vec::with_capacity(subjects.len());
        for subject in subjects {
            let mut place = self.queue.enter(subject.clone());
            place.turn().await;
            places.push(place);
        }
        self.settle_together(&resolved, &others).await
    }

    /// Whether commands of its tenant are taken, or it is about the tenant itself, of which its rules know all.
    pub(crate) async fn require_tenant(&self, request: &Request) -> Result<(), Fault> {
        if matches!(request.command, Command::Tenant(_)) {
            return Ok(());
        }
        self.require_active(&request.tenant).await
    }

    /// Whether a tenant is provisioned, and not suspended.
    pub(crate) async fn require_active(&self, tenant: &Tenant) -> Result<(), Fault> {
        self.tenants.require(&self.store, &self.queue, tenant).await
    }

    /// Whether a guest speaks for itself.
    pub(crate) async fn require_own(&self, request: &Request, own: &Identifier) -> Result<(), Fault> {
        target::require_own(&self.vault, request, own).await
    }

    /// Whether the log keeps what it acknowledges.
    pub(crate) async fn require_durable(&self) -> Result<(), Fault> {
        Ok(self.durability.level().await.map(drop)?)
    }
}

/// What somebody will ask about: who did it.
fn is_on_record(command: &Command) -> bool {
    matches!(command, Command::Tenant(_) | Command::Guest(GuestCommand::Merge(_) | GuestCommand::Unmerge(_)))
}
