//! What happens to every command: find the owner, load, decide, append; on conflict decide again, a bounded number of times.

use std::sync::Arc;
use std::time::Duration;

use domain::Context;
use event_log::durability::DurabilityProof;
use proto::identifier::Identifier;
use proto::subject::{LogSubject, Owner, Tenant};
use proto::{Command, Commit, EventId, Reply};
use runtime::clock;
use runtime::limits::Limits;
use runtime::trace;
use tracing::Instrument as _;
use vault::Vault;

use crate::acts::Acts;
use crate::appender::Appended;
use crate::commit::{self, Draft, Request, Resolved};
use crate::error::Fault;
use crate::event_store::{EventStore, Loaded, Original, Reach};
use crate::spans;
use crate::target::{self, Target};
use crate::tenants::Tenants;
use crate::turn_queue::TurnQueue;

/// How often a command is decided before its caller hears of the conflict.
const ATTEMPTS: u32 = 5;
/// Doubled with each try: somebody else's append is under way, and may be part of a large batch.
const PAUSE: Duration = Duration::from_millis(5);

pub(crate) struct Executor {
    store: EventStore,
    vault: Vault,
    durability: DurabilityProof,
    queue: Arc<TurnQueue<LogSubject>>,
    tenants: Tenants,
    pub(crate) acts: Acts,
}

/// How far a command has come.
enum Progress {
    Done(Reply),
    /// Something came in between: decide again on what the owner has become.
    Outrun(Reach),
}

/// What of ours the log may hold without having said so.
#[derive(Default)]
struct Ours {
    /// The commit that went unanswered last.
    unclear: Option<Box<Draft>>,
    /// The first event of each commit that went unanswered.
    events: Vec<String>,
}

impl Ours {
    fn maybe_stored(&self) -> bool {
        !self.events.is_empty()
    }

    /// Whether this sending stored it, and no earlier one of the same command.
    fn stored(&self, original: &Original) -> bool {
        original.commit.events.first().is_some_and(|event| self.events.contains(&event.id))
    }

    /// What a fault means to the caller: with a commit that may be stored only the rules' word is an answer.
    fn settle(&self, fault: Fault) -> Fault {
        if !self.maybe_stored() || matches!(fault, Fault::Rejected(_) | Fault::IdReused | Fault::Outdated) {
            return fault;
        }
        tracing::warn!(error = &fault as &dyn std::error::Error, "an append could not be settled");
        Fault::OutcomeUnknown
    }
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
        if let Command::Tenant(_) = request.command {
            Box::pin(self.acts.record(request)).await?;
        }
        if target::may_be_new(&request.command) {
            Box::pin(self.store.require_complete_vault()).await?;
        }
        let Target { owner, addressed_as } = target::find(&self.vault, request).await?;
        require_owner(request.owner.as_deref(), &owner)?;
        let subject = LogSubject::new(request.tenant.clone(), owner);
        // Loads and appends of one owner come one after the other, so nothing is loaded twice at the same time.
        let mut place = self.queue.enter(subject.clone());
        place.turn().await;
        let resolved = Resolved { request, subject, addressed_as };
        let outcome = self.settle(&resolved).await;
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

    async fn settle(&self, resolved: &Resolved<'_>) -> Result<Reply, Fault> {
        let mut loaded = self.store.load(&resolved.subject).await?;
        let mut ours = Ours::default();
        for attempt in 1..=ATTEMPTS {
            let reach = match self.attempt(resolved, &loaded, &mut ours).await.map_err(|fault| ours.settle(fault))? {
                Progress::Done(reply) => return Ok(reply),
                Progress::Outrun(reach) => reach,
            };
            if attempt < ATTEMPTS {
                match reach {
                    Reach::Position(_) => {}
                    // Nobody knows yet who came first.
                    Reach::Leader => tokio::time::sleep(PAUSE * (1 << attempt)).await,
                }
                let caught_up = Box::pin(self.store.catch_up(&resolved.subject, &loaded, reach)).await;
                loaded = caught_up.map_err(|fault| ours.settle(fault))?;
            }
        }
        Err(ours.settle(Fault::VersionConflict))
    }

    /// One pass: the answer of an earlier pass or an earlier sending, or decide and append.
    async fn attempt(&self, resolved: &Resolved<'_>, loaded: &Loaded, ours: &mut Ours) -> Result<Progress, Fault> {
        let Resolved { request, subject, .. } = resolved;
        if let Some(original) = self.store.original(subject, loaded, &request.id).await? {
            let replayed = !ours.stored(&original);
            return Box::pin(self.original_answer(resolved, original, replayed)).await;
        }
        let draft = match ours.unclear.take() {
            // Nothing has come in between: the same bytes again, and the guard stores them once.
            Some(draft) if draft.expected == loaded.head => draft,
            _ => {
                let context = Context { now: clock::now(), received_at: request.received_at };
                match decide(request, loaded, &context) {
                    Ok(events) if !events.is_empty() => {
                        let keys = self.store.keys_of(subject).await?;
                        commit::draft(&self.vault, resolved, loaded, keys.as_deref(), &events, &context).await?
                    }
                    nothing => return Box::pin(self.answer_without_append(resolved, loaded, nothing.map(drop))).await,
                }
            }
        };
        request.begin()?;
        Ok(match self.store.append(subject, draft.expected, &draft.commit).await? {
            Appended::At(position) => {
                let (commit, after) = draft.stored(position);
                self.store.keep(subject, after);
                Progress::Done(reply(resolved, Original { position, commit }, false))
            }
            Appended::Conflict(last) => {
                // The first sending of the same bytes may be what came in between, or still be under way.
                ours.unclear = ours.maybe_stored().then_some(draft);
                Progress::Outrun(last.map_or(Reach::Leader, Reach::Position))
            }
            Appended::Unclear => {
                ours.events.extend(draft.commit.events.first().map(|event| event.id.clone()));
                ours.unclear = Some(draft);
                Progress::Outrun(Reach::Leader)
            }
        })
    }

    /// Nothing will be appended, so no guard will tell that the state was stale: the leader does.
    async fn answer_without_append(
        &self,
        resolved: &Resolved<'_>,
        loaded: &Loaded,
        decided: Result<(), Fault>,
    ) -> Result<Progress, Fault> {
        let head = self.store.head(&resolved.subject).await?;
        if head != loaded.head {
            return Ok(Progress::Outrun(Reach::Position(head)));
        }
        decided?;
        let (facet, _) = resolved.request.command.name();
        let commit = Commit { version: loaded.version(facet), ..Commit::default() };
        Ok(Progress::Done(reply(resolved, Original { position: loaded.head, commit }, false)))
    }

    /// The answer the command got when it was carried out, which this very sending may have done a moment ago.
    async fn original_answer(
        &self,
        resolved: &Resolved<'_>,
        original: Original,
        replayed: bool,
    ) -> Result<Progress, Fault> {
        if original.commit.request_hash != commit::request_hash(&self.vault, resolved.request).await? {
            return Err(Fault::IdReused);
        }
        Ok(Progress::Done(reply(resolved, original, replayed)))
    }
}

/// What the rules make of the command, if the owner is as its sender has seen it.
fn decide(request: &Request, loaded: &Loaded, context: &Context) -> Result<Vec<proto::Event>, Fault> {
    let (facet, _) = request.command.name();
    if request.precondition.as_ref().is_some_and(|precondition| !precondition.holds(loaded.version(facet))) {
        return Err(Fault::Outdated);
    }
    Ok(loaded.state.decide(&request.command, context)?)
}

/// What the caller is told, but for the durability, which is named last.
fn reply(resolved: &Resolved<'_>, original: Original, replayed: bool) -> Reply {
    let Resolved { request, subject, .. } = resolved;
    let Original { position, commit } = original;
    Reply {
        id: request.id.clone(),
        guest_id: if subject.owner.is_guest() { subject.owner.to_string() } else { String::new() },
        position,
        version: commit.version,
        events: commit.events.into_iter().map(|event| EventId { id: event.id, r#type: event.r#type }).collect(),
        durability: String::new(),
        replayed,
        consistency_token: proto::token::write(position),
    }
}

fn require_owner(named: Option<&str>, found: &Owner) -> Result<(), Fault> {
    let detail = "the owner in the subject is not the one the command is about";
    match named {
        Some(named) if named != found.as_str() => {
            Err(runtime::problem::Problem::unprocessable("owner_mismatch", detail).into())
        }
        _ => Ok(()),
    }
}
