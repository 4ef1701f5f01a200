//! A log of recorded interactions, folded again and again into empty tables.

use crate::bench::Bench;
use crate::deed::{Active, TOPICS};
use crate::field::OWNERS;
use crate::folding::{Folding, MADE_ANEW, OURS};

pub(super) const GUESTS: usize = OWNERS;
pub(super) const INTERACTIONS: usize = 200_000;

pub(super) struct History {
    pub(super) folding: Folding,
    /// Commits of all kinds.
    commits: u64,
}

impl History {
    /// Everything is told to the service, and folded once, so that the read models that are not made anew have it.
    pub(super) async fn tell(bench: &Bench) -> anyhow::Result<Self> {
        let mut folding = Folding::start().await?;
        folding.register(GUESTS, &bench.progress).await?;
        folding.record(0..INTERACTIONS, Active::everybody(GUESTS), &bench.progress).await?;
        folding.catch_up(&bench.progress).await?;
        let commits = folding.applied().await?;
        Ok(Self { folding, commits })
    }

    /// Commits per second of a new worker from empty tables on.
    pub(super) async fn rate(&mut self, bench: &Bench, label: &str) -> anyhow::Result<f64> {
        bench.progress.measuring(label);
        self.folding.empty().await;
        let rate = self.folding.rate_to(self.commits).await?;
        self.folding.check(OURS, INTERACTIONS).await?;
        bench.progress.measured(&format!("{label}: {rate:.0}/s"));
        Ok(rate)
    }

    /// Seconds of processor time per 100,000 commits of a new worker with these settings, from empty tables on.
    pub(super) async fn cpu_seconds(
        &mut self,
        bench: &Bench,
        settings: &[(&str, &str)],
        label: &str,
    ) -> anyhow::Result<f64> {
        bench.progress.measuring(label);
        self.folding.empty().await;
        let seconds = self.folding.cpu_seconds(settings, &bench.progress).await?;
        self.folding.check(OURS, INTERACTIONS).await?;
        let seconds = seconds * 100_000.0 / f64::from(u32::try_from(self.commits)?);
        bench.progress.measured(&format!("{label}: {seconds:.3} s for 100,000 commits"));
        Ok(seconds)
    }
}

/// What is folded, into what, and by whom.
pub(super) fn describe() -> String {
    format!(
        "{} made from {INTERACTIONS} commits of recorded interactions, sealed, {GUESTS} guests, {TOPICS} topics, into empty \
         tables by a worker process that has just started",
        MADE_ANEW.join(", ")
    )
}
