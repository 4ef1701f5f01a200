//! The sampler: all the time, and for a small part of it, folds one guest after another again and compares the rows.

use std::time::Duration;

use event_log::direct_get;
use event_log::read::LogMessage;
use proto::subject::LogSubject;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::crew::Site;
use crate::error::Fault;
use crate::finding::{self, Finding};
use crate::metrics::Check;
use crate::projections;
use crate::verify::{Lives, Refolder, Whose};

const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
/// Commits of one owner; who has more is left to `keepsake verify`.
const LONGEST_LIFE: usize = 2_000;
const PAUSE_AFTER_FAULT: Duration = Duration::from_secs(10);
/// A replica of the log that lags behind may have told too little; it has caught up by then.
const SECOND_LOOK_AFTER: Duration = Duration::from_secs(2);

pub(crate) struct Sampler {
    site: Site,
    /// Of its time, in percent.
    share: f64,
}

impl Sampler {
    pub(crate) fn new(site: Site, share: f64) -> Self {
        Self { site, share }
    }

    /// Samples until the process stops; what it cannot do now it does later.
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        if self.share > 0.0 {
            stop.run_until_cancelled(self.sample()).await;
        } else {
            // A task that ends would take the process with it.
            stop.cancelled().await;
        }
        Ok(())
    }

    async fn sample(&self) {
        loop {
            if let Err(fault) = self.sample_until_fault().await {
                self.site.metrics.checked(Check::Undecided);
                tracing::warn!(error = %fault, "no guest is sampled");
            }
            tokio::time::sleep(PAUSE_AFTER_FAULT).await;
        }
    }

    async fn sample_until_fault(&self) -> Result<(), Fault> {
        let mut refolder = Refolder::start(&self.site.pool, self.site.vault.clone(), None).await?;
        loop {
            let began = Instant::now();
            if let Some(subject) = self.anybody().await? {
                self.look_at(&mut refolder, subject).await?;
            }
            let pause = began.elapsed().mul_f64(100.0 / self.share - 1.0);
            tokio::time::sleep(pause.max(SHORTEST_PAUSE)).await;
        }
    }

    /// Who wrote a random commit: a guest of whom much is known is looked at more often.
    async fn anybody(&self) -> Result<Option<LogSubject>, Fault> {
        let last = event_log::stream::info(&self.site.nats).await?.last_position;
        if last == 0 {
            return Ok(None);
        }
        let random = runtime::clock::random_id().as_u64_pair().0 % last + 1;
        let found = direct_get::any(&self.site.nats, random).await?;
        Ok(found.map(|(subject, _)| subject).filter(|subject| !subject.tenant.is_system()))
    }

    async fn look_at(&self, refolder: &mut Refolder, subject: LogSubject) -> Result<(), Fault> {
        let whose = Whose::Owners(vec![subject.clone()]);
        let mut found = self.compare(refolder, &whose, &subject).await?;
        if found.as_ref().is_some_and(|found| !found.is_empty()) {
            tokio::time::sleep(SECOND_LOOK_AFTER).await;
            found = self.compare(refolder, &whose, &subject).await?;
        }
        let Some(found) = found else {
            self.site.metrics.checked(Check::Undecided);
            return Ok(());
        };
        self.site.metrics.checked(if found.is_empty() { Check::Equal } else { Check::Different });
        for finding in &found {
            finding.report();
            if let Some(projection) = projections::index_of(&finding.projection) {
                self.site.metrics.found(projection, i16::cast_unsigned(finding.pp).into());
            }
        }
        finding::keep(&*self.site.pool.get().await?, &refolder.extent(&whose, &found), &found).await
    }

    /// None for a life that is too long to be folded again every now and then.
    async fn compare(
        &self,
        refolder: &mut Refolder,
        whose: &Whose,
        subject: &LogSubject,
    ) -> Result<Option<Vec<Finding>>, Fault> {
        refolder.begin().await?;
        let message = |commit: direct_get::StoredCommit| LogMessage {
            position: commit.position,
            subject: subject.clone(),
            wire_subject: subject.to_string().into(),
            payload: commit.payload,
            pending: 0,
            trace: None,
        };
        let mut commits = Vec::new();
        let mut from = 1;
        while direct_get::page(&self.site.nats, subject, from, &mut commits).await? {
            from = commits.last().map_or(from, |last: &direct_get::StoredCommit| last.position + 1);
            if commits.len() > LONGEST_LIFE {
                refolder.abandon().await?;
                return Ok(None);
            }
        }
        let life = commits.into_iter().map(message).collect();
        refolder.finish(whose, Lives::from([(subject.to_string(), life)])).await.map(Some)
    }
}
