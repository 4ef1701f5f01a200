//! What happens to every command: find the owner, load, decide, append; on conflict decide again, a bounded number of times.

use std::sync::Arc;
use std::time::Duration;

use domain::Context;
use event_log::durability::Durability;
use proto::subject::{LogSubject, Owner};
use proto::{Command, EventId, Reply};
use runtime::clock;
use vault::Vault;

use crate::commit::{self, Request, Resolved};
use crate::error::Fault;
use crate::event_store::{Appended, CarriedOut, EventStore, Loaded, event_ids};
use crate::target::{self, Target};
use crate::tenants::Tenants;
use crate::turn_queue::TurnQueue;

/// How often a command is decided before its caller hears of the conflict.
const ATTEMPTS: u32 = 5;
/// Times the number of tries so far.
const PAUSE: Duration = Duration::from_millis(2);

pub(crate) struct Executor {
    store: EventStore,
    vault: Vault,
    durability: Durability,
    queue: Arc<TurnQueue<LogSubject>>,
    tenants: Tenants,
}

/// One pass over load, decide and append.
enum Attempt {
    Done(Reply),
    /// Something came in between, or the log did not say; `unclear` when an append of ours may have been stored.
    Again {
        unclear: bool,
    },
}

impl Executor {
    pub(crate) fn new(store: EventStore, vault: Vault, durability: Durability) -> Self {
        Self { store, vault, durability, queue: TurnQueue::new(), tenants: Tenants::default() }
    }

    /// Carries the command out, once however often it is sent.
    pub(crate) async fn execute(&self, request: &Request) -> Result<Reply, Fault> {
        let provisions = matches!(request.command, Command::Tenant(_));
        if !provisions {
            self.tenants.require(&self.store, &request.tenant).await?;
        }
        let Target { owner, addressed_as } = target::find(&self.vault, request).await?;
        require_owner(request.owner.as_deref(), &owner)?;
        let subject = LogSubject::new(request.tenant.clone(), owner);
        let mut place = self.queue.enter(subject.clone());
        place.turn().await;
        let resolved = Resolved { request, subject, addressed_as };
        self.settle(&resolved).await
    }

    async fn settle(&self, resolved: &Resolved<'_>) -> Result<Reply, Fault> {
        let mut maybe_stored = false;
        for attempt in 0..ATTEMPTS {
            // Whoever came first may not be through yet: on a cluster its append is under way for a while.
            tokio::time::sleep(PAUSE * attempt).await;
            match self.attempt(resolved, maybe_stored).await {
                Ok(Attempt::Done(reply)) => return Ok(reply),
                Ok(Attempt::Again { unclear }) => maybe_stored |= unclear,
                Err(fault) if maybe_stored => {
                    tracing::warn!(error = &fault as &dyn std::error::Error, "an append could not be settled");
                    return Err(Fault::OutcomeUnknown);
                }
                Err(fault) => return Err(fault),
            }
        }
        Err(if maybe_stored { Fault::OutcomeUnknown } else { Fault::VersionConflict })
    }

    async fn attempt(&self, resolved: &Resolved<'_>, maybe_stored: bool) -> Result<Attempt, Fault> {
        let Resolved { request, subject, .. } = resolved;
        let loaded = self.store.load(subject).await?;
        if let Some(reply) = self.original_answer(resolved, &loaded, maybe_stored).await? {
            return Ok(Attempt::Done(reply));
        }
        let context = Context { now: clock::now() };
        let events = match loaded.state.decide(&request.command, &context) {
            Ok(events) if !events.is_empty() => events,
            // Nothing will be appended, so no guard will tell that the state was stale.
            nothing if self.store.is_head(subject, loaded.head).await? => {
                nothing?;
                let (facet, _) = request.command.name();
                return Ok(Attempt::Done(self.reply(resolved, loaded.head, loaded.version(facet), Vec::new())));
            }
            _stale => return Ok(Attempt::Again { unclear: false }),
        };
        let commit = commit::build(&self.vault, resolved, &loaded, &events, &context).await?;
        match self.store.append(subject, loaded.head, &commit).await? {
            Appended::At(position) => {
                Ok(Attempt::Done(self.reply(resolved, position, commit.version, event_ids(commit.events))))
            }
            Appended::Conflict => Ok(Attempt::Again { unclear: false }),
            Appended::Unclear => Ok(Attempt::Again { unclear: true }),
        }
    }

    /// The answer the command got when it was carried out; `None` when it was not.
    async fn original_answer(
        &self,
        resolved: &Resolved<'_>,
        loaded: &Loaded,
        ours: bool,
    ) -> Result<Option<Reply>, Fault> {
        let Some(carried_out) = loaded.carried_out(&resolved.request.id) else { return Ok(None) };
        if carried_out.request_hash != commit::request_hash(&self.vault, resolved.request).await? {
            return Err(Fault::IdReused);
        }
        let CarriedOut { position, version, events, .. } = carried_out;
        let reply = self.reply(resolved, *position, *version, events.clone());
        Ok(Some(Reply { replayed: !ours, ..reply }))
    }

    fn reply(&self, resolved: &Resolved<'_>, position: u64, version: u64, events: Vec<EventId>) -> Reply {
        let Resolved { request, subject, .. } = resolved;
        Reply {
            id: request.id.clone(),
            guest_id: if subject.owner.is_guest() { subject.owner.to_string() } else { String::new() },
            position,
            version,
            events,
            durability: self.durability.name().to_owned(),
            replayed: false,
            consistency_token: proto::token::write(position),
        }
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
