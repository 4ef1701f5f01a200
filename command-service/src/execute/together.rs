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
        if !resolved.stands(own) {
            return Ok(Progress::elsewhere(Fault::VersionConflict));
        }
        let merge_id = format!("mrg_{}", clock::ordered_id().simple());
        let unmerges = matches!(request.command, Command::Guest(GuestCommand::Unmerge(_)));
        let other = gathered.others.first().filter(|_| !unmerges).map(|(subject, loaded)| Other::Guest {
            id: subject.owner.as_str(),
            state: &loaded.state,
            merge_id: &merge_id,
        });
        let context = Context { other, ..Context::new(clock::now(), request.received_at) };
        let events = match decide(request, own, &context) {
            Ok(events) if !events.is_empty() => events,
            // One of the two became part of another meanwhile.
            Err(Fault::Rejected(domain::Rejection::Guest(Rejection::MergedAlready))) => {
                return Ok(Progress::elsewhere(domain::Rejection::Guest(Rejection::MergedAlready).into()));
            }
            nothing => return self.answer_without_append(resolved, own, nothing.map(drop)).await,
        };
        if let Some(elsewhere) = self.claim(resolved, &events).await? {
            return self.identifier_elsewhere(resolved, own, elsewhere).await;
        }
        let drafts = self.drafts(resolved, &gathered, &events, &context).await?;
        self.append_drafts(resolved, drafts, ours).await
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

    /// The owner's commit, and one for each other that has a part in it, in that order.
    async fn drafts(
        &self,
        resolved: &Resolved<'_>,
        gathered: &Gathered,
        events: &[Event],
        context: &Context<'_>,
    ) -> Result<Vec<(LogSubject, Box<Draft>)>, Fault> {
        let keys = self.store.keys_of(&resolved.subject).await?;
        let own = commit::draft(&self.vault, resolved, &gathered.own, keys.as_deref(), events, context).await?;
        let mut drafts = vec![(resolved.subject.clone(), own)];
        for (id, part) in events.iter().flat_map(|event| parts(resolved, event)) {
            let other = gathered.others.iter().find(|(subject, _)| subject.owner.as_str() == id);
            // Merged or restored since it was found whom it is about.
            let Some((subject, loaded)) = other else { return Err(Fault::VersionConflict) };
            let keys = self.store.keys_of(subject).await?;
            let resolved = Resolved { subject: subject.clone(), addressed_as: None, ..resolved.clone() };
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
        Ok(drafts)
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
