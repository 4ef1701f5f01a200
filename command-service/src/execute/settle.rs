//! A command about one owner: decided and appended, and decided again when somebody else's commit came first.

use std::time::Duration;

use domain::Context;
use domain::guest::others_part;
use proto::{Commit, Event, Reply};

use super::Executor;
use super::claims::links;
use super::reply::reply;
use crate::appender::Appended;
use crate::commit::{self, Draft, Request, Resolved};
use crate::error::Fault;
use crate::event_store::{Loaded, Original, Reach};

/// How often a command is decided before its caller hears of the conflict.
pub(super) const ATTEMPTS: u32 = 5;
/// Doubled with each try: somebody else's append is under way, and may be part of a large batch.
pub(super) const PAUSE: Duration = Duration::from_millis(5);

/// How a command ended with whom it was decided about.
pub(super) enum Settled {
    Done(Reply),
    /// It is about somebody else: to be found anew. The fault says why, should that never end.
    Elsewhere(Fault),
}

/// How far a command has come.
pub(super) enum Progress {
    Settled(Settled),
    /// Something came in between: decide again on what the owner has become.
    Outrun(Reach),
}

impl Progress {
    pub(super) fn done(reply: Reply) -> Self {
        Self::Settled(Settled::Done(reply))
    }

    pub(super) fn elsewhere(fault: Fault) -> Self {
        Self::Settled(Settled::Elsewhere(fault))
    }
}

/// What of ours the log may hold without having said so.
#[derive(Default)]
pub(super) struct Ours {
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
    pub(super) fn stored(&self, original: &Original) -> bool {
        original.commit.events.first().is_some_and(|event| self.events.contains(&event.id))
    }

    /// A commit went unanswered.
    pub(super) fn note(&mut self, commit: &Commit) {
        self.events.extend(commit.events.first().map(|event| event.id.clone()));
    }

    /// What a fault means to the caller: with a commit that may be stored only the rules' word is an answer.
    pub(super) fn settle(&self, fault: Fault) -> Fault {
        if !self.maybe_stored() || matches!(fault, Fault::Rejected(_) | Fault::IdReused | Fault::Outdated) {
            return fault;
        }
        tracing::warn!(error = &fault as &dyn std::error::Error, "an append could not be settled");
        Fault::OutcomeUnknown
    }
}

/// Before the next attempt, when nobody knows yet who came first.
pub(super) async fn pause(attempt: u32, reach: Reach) {
    match reach {
        Reach::Position(_) => {}
        Reach::Leader => tokio::time::sleep(PAUSE * (1 << attempt)).await,
    }
}

impl Executor {
    pub(super) async fn settle(&self, resolved: &Resolved<'_>) -> Result<Settled, Fault> {
        let mut loaded = self.store.load(&resolved.subject).await?;
        let mut ours = Ours::default();
        for attempt in 1..=ATTEMPTS {
            let reach = match self.attempt(resolved, &loaded, &mut ours).await.map_err(|fault| ours.settle(fault))? {
                Progress::Settled(settled) => return Ok(settled),
                Progress::Outrun(reach) => reach,
            };
            if attempt < ATTEMPTS {
                pause(attempt, reach).await;
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
        if !resolved.stands(loaded) {
            return Ok(Progress::elsewhere(Fault::VersionConflict));
        }
        let draft = match ours.unclear.take() {
            // Nothing has come in between: the same bytes again, and the guard stores them once.
            Some(draft) if draft.expected == loaded.head => draft,
            _ => {
                let context = resolved.context(None);
                match decide(request, loaded, &context) {
                    Ok(events) if !events.is_empty() => {
                        if is_told_elsewhere(&events) {
                            return Ok(Progress::elsewhere(Fault::VersionConflict));
                        }
                        if links(&request.command)
                            && let Some(holder) = Box::pin(self.claim(resolved, &events)).await?
                        {
                            return Box::pin(self.held_by(resolved, loaded, holder)).await;
                        }
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
                Progress::done(reply(resolved, Original { position, commit }, false))
            }
            Appended::Conflict(last) => {
                // The first sending of the same bytes may be what came in between, or still be under way.
                ours.unclear = ours.maybe_stored().then_some(draft);
                Progress::Outrun(last.map_or(Reach::Leader, Reach::Position))
            }
            Appended::Unclear => {
                ours.note(&draft.commit);
                ours.unclear = Some(draft);
                Progress::Outrun(Reach::Leader)
            }
        })
    }

    /// Nothing will be appended, so no guard will tell that the state was stale: the leader does.
    pub(super) async fn answer_without_append(
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
        Ok(Progress::done(reply(resolved, Original { position: loaded.head, commit }, false)))
    }

    /// The answer the command got when it was carried out, which this very sending may have done a moment ago.
    pub(super) async fn original_answer(
        &self,
        resolved: &Resolved<'_>,
        original: Original,
        replayed: bool,
    ) -> Result<Progress, Fault> {
        if original.commit.request_hash != commit::request_hash(&self.vault, resolved.request).await? {
            return Err(Fault::IdReused);
        }
        Ok(Progress::done(reply(resolved, original, replayed)))
    }
}

/// Whether others have a part in these events: they are not to be appended without theirs.
fn is_told_elsewhere(events: &[Event]) -> bool {
    events.iter().any(|event| match event {
        Event::Guest(event) => !others_part("", event).is_empty(),
        Event::Tenant(_) | Event::Interactions(_) => false,
    })
}

/// What the rules make of the command, if the owner is as its sender has seen it.
pub(super) fn decide(request: &Request, loaded: &Loaded, context: &Context<'_>) -> Result<Vec<Event>, Fault> {
    let (facet, _) = request.command.name();
    if request.precondition.as_ref().is_some_and(|precondition| !precondition.holds(loaded.version(facet))) {
        return Err(Fault::Outdated);
    }
    Ok(loaded.state.decide(&request.command, context)?)
}
