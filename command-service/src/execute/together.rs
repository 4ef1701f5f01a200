//! A command that is told in the subjects of several guests: all of its commits are stored, or none.

use std::sync::Arc;

use domain::guest::{Rejection, others_part};
use domain::{Context, Other};
use proto::commit::BatchPart;
use proto::guest::command::Kind as GuestCommand;
use proto::subject::LogSubject;
use proto::{Command, Event};
use runtime::clock;

use super::Executor;
use super::reply::reply;
use super::settle::{ATTEMPTS, Ours, Progress, Settled, decide, pause};
use crate::appender::Appended;
use crate::commit::{self, Draft, Resolved};
use crate::error::Fault;
use crate::event_store::{Loaded, Original, Reach};
use crate::target::{Party, Target};

/// The owner a command is about and the others it is told of, each as the log's leader knows it.
struct Gathered {
    own: Arc<Loaded>,
    others: Vec<(LogSubject, Arc<Loaded>)>,
}

impl Executor {
    pub(super) async fn settle_together(
        &self,
        resolved: &Resolved<'_>,
        others: &[LogSubject],
    ) -> Result<Settled, Fault> {
        let mut ours = Ours::default();
        for attempt in 1..=ATTEMPTS {
            let progress = self.attempt_together(resolved, others, &mut ours).await;
            match progress.map_err(|fault| ours.settle(fault))? {
                Progress::Settled(settled) => return Ok(settled),
                Progress::Outrun(reach) => pause(attempt, reach).await,
            }
        }
        Err(ours.settle(Fault::VersionConflict))
    }

    async fn attempt_together(
        &self,
        resolved: &Resolved<'_>,
        others: &[LogSubject],
        ours: &mut Ours,
    ) -> Result<Progress, Fault> {
        let Resolved { request, subject, .. } = resolved;
        let gathered = self.gather(subject, others).await?;
        let own = &gathered.own;
        if let Some(original) = self.store.original(subject, own, &request.id).await? {
            let replayed = !ours.stored(&original);
            return self.original_answer(resolved, original, replayed).await;
        }
        let mut others_stand = resolved.target.others.iter().zip(&gathered.others);
        let others_stand = others_stand.all(|(party, (_, loaded))| party.stands(&loaded.state.guest));
        if !resolved.stands(own) || !others_stand {
            return Ok(Progress::elsewhere(Fault::VersionConflict));
        }
        let merge_id = format!("mrg_{}", clock::ordered_id().simple());
        let identifies = matches!(request.command, Command::Guest(GuestCommand::Identify(_)));
        let unmerges = matches!(request.command, Command::Guest(GuestCommand::Unmerge(_)));
        let other = gathered.others.first().filter(|_| !unmerges).map(|(subject, loaded)| Other::Guest {
            id: subject.owner.as_str(),
            state: &loaded.state,
            merge_id: &merge_id,
        });
        let context = resolved.context(other);
        let events = match decide(request, own, &context) {
            Ok(events) if !events.is_empty() => events,
            // One of the two became part of another meanwhile, or is being registered just now.
            Err(Fault::Rejected(domain::Rejection::Guest(why @ Rejection::MergedAlready))) => {
                return Ok(Progress::elsewhere(domain::Rejection::Guest(why).into()));
            }
            Err(Fault::Rejected(domain::Rejection::Guest(Rejection::NotFound))) if identifies => {
                return Ok(Progress::elsewhere(Fault::VersionConflict));
            }
            nothing => return self.answer_without_append(resolved, own, nothing.map(drop)).await,
        };
        if let Some(holder) = self.claim(resolved, &events).await? {
            return self.held_by(resolved, own, holder).await;
        }
        match self.drafts(resolved, &gathered, &events, &context).await? {
            Some(drafts) => self.append_drafts(resolved, drafts, ours).await,
            // Merged or restored since it was found whom it is about.
            None => Ok(Progress::elsewhere(Fault::VersionConflict)),
        }
    }

    async fn gather(&self, subject: &LogSubject, others: &[LogSubject]) -> Result<Gathered, Fault> {
        let latest = async |subject: &LogSubject| {
            let loaded = self.store.load(subject).await?;
            self.store.catch_up(subject, &loaded, Reach::Leader).await
        };
        let own = latest(subject).await?;
        let mut gathered = Vec::with_capacity(others.len());
        for other in others {
            gathered.push((other.clone(), latest(other).await?));
        }
        Ok(Gathered { own, others: gathered })
    }

    /// The owner's commit, and one for each other that has a part in it, in that order. `None` when somebody else has a part.
    async fn drafts(
        &self,
        resolved: &Resolved<'_>,
        gathered: &Gathered,
        events: &[Event],
        context: &Context<'_>,
    ) -> Result<Option<Vec<(LogSubject, Box<Draft>)>>, Fault> {
        let keys = self.store.keys_of(&resolved.subject).await?;
        let own = commit::draft(&self.vault, resolved, &gathered.own, keys.as_deref(), events, context).await?;
        let mut drafts = vec![(resolved.subject.clone(), own)];
        for (id, part) in events.iter().flat_map(|event| parts(resolved, event)) {
            let other = gathered.others.iter().find(|(subject, _)| subject.owner.as_str() == id);
            let Some((subject, loaded)) = other else { return Ok(None) };
            let keys = self.store.keys_of(subject).await?;
            let resolved = Resolved::new(resolved.request, Target::of(Party::of(subject.owner.clone())));
            let draft = commit::draft(&self.vault, &resolved, loaded, keys.as_deref(), &[part], context).await?;
            drafts.push((subject.clone(), draft));
        }
        if drafts.len() > 1 {
            let id = format!("bat_{}", clock::ordered_id().simple());
            let count = u32::try_from(drafts.len()).unwrap_or(u32::MAX);
            for (index, (_, draft)) in (0..).zip(&mut drafts) {
                draft.commit.batch = Some(BatchPart { id: id.clone(), index, count });
            }
        }
        Ok(Some(drafts))
    }

    async fn append_drafts(
        &self,
        resolved: &Resolved<'_>,
        drafts: Vec<(LogSubject, Box<Draft>)>,
        ours: &mut Ours,
    ) -> Result<Progress, Fault> {
        resolved.request.begin()?;
        let commits: Vec<_> = drafts.iter().map(|(subject, draft)| (subject, draft.expected, &draft.commit)).collect();
        match self.store.append_together(&commits).await? {
            Appended::At(last) => {
                let mut own = None;
                let first = (last + 1).saturating_sub(drafts.len() as u64);
                for (position, (subject, draft)) in (first..).zip(drafts) {
                    let (commit, after) = draft.stored(position);
                    self.store.keep(&subject, after);
                    own.get_or_insert(Original { position, commit });
                }
                let own = own.ok_or(Fault::Unencodable)?;
                Ok(Progress::done(reply(resolved, own, false)))
            }
            Appended::Conflict(_) => Ok(Progress::Outrun(Reach::Leader)),
            Appended::Unclear => {
                drafts.iter().take(1).for_each(|(_, draft)| ours.note(&draft.commit));
                Ok(Progress::Outrun(Reach::Leader))
            }
        }
    }
}

fn parts(resolved: &Resolved<'_>, event: &Event) -> Vec<(String, Event)> {
    match event {
        Event::Guest(event) => {
            let parts = others_part(resolved.subject.owner.as_str(), event);
            parts.into_iter().map(|(id, part)| (id, Event::Guest(part))).collect()
        }
        Event::Tenant(_) | Event::Interactions(_) => Vec::new(),
    }
}
