//! What became of every line so far: counts, rejects, progress, and where to go on after an interruption.

use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;

use super::Summary;
use super::checkpoint::Checkpoint;
use super::progress::Progress;
use super::rejects::Rejects;

pub(super) struct Tally(Mutex<Inner>);

struct Inner {
    summary: Summary,
    checkpoint: Checkpoint,
    rejects: Rejects,
    progress: Progress,
    fault: Option<anyhow::Error>,
    waiting: bool,
}

impl Tally {
    pub(super) fn new(checkpoint: Checkpoint, rejects: Rejects, progress: Progress) -> Self {
        let summary = Summary::default();
        Self(Mutex::new(Inner { summary, checkpoint, rejects, progress, fault: None, waiting: false }))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A header or an empty line.
    pub(super) fn no_record(&self, line: u64) -> io::Result<()> {
        self.inner().answered(line)
    }

    pub(super) fn accepted(&self, line: u64, replayed: bool) -> io::Result<()> {
        let mut inner = self.inner();
        inner.summary.records += 1;
        if replayed {
            inner.summary.replayed += 1;
        } else {
            inner.summary.accepted += 1;
        }
        inner.waiting = false;
        inner.answered(line)
    }

    pub(super) fn rejected(&self, line: u64, code: &str, reason: &str) -> io::Result<()> {
        let mut inner = self.inner();
        inner.summary.records += 1;
        inner.summary.rejected += 1;
        inner.rejects.write(line, code, reason)?;
        inner.answered(line)
    }

    /// Says once that nobody answers, until somebody does again.
    pub(super) fn waiting(&self, why: &str) {
        let mut inner = self.inner();
        if !std::mem::replace(&mut inner.waiting, true) {
            inner.progress.note(&format!("waiting: {why}"));
        }
    }

    /// Ends the import with this fault.
    pub(super) fn fail(&self, fault: anyhow::Error) {
        self.inner().fault.get_or_insert(fault);
    }

    pub(super) fn failed(&self) -> bool {
        self.inner().fault.is_some()
    }

    /// The last word: prints what became of the file.
    pub(super) fn end(&self, finished: bool, file: &Path) -> anyhow::Result<Summary> {
        let mut inner = self.inner();
        let took = inner.progress.finish();
        let finished = finished && inner.fault.is_none();
        let kept = if finished { inner.checkpoint.clear() } else { inner.checkpoint.save() };
        kept.context("the import's progress cannot be kept")?;
        if let Some(fault) = inner.fault.take() {
            return Err(fault
                .context(format!("stopped after line {}: type the same command to go on", inner.checkpoint.done())));
        }
        let Summary { records, accepted, replayed, rejected, .. } = inner.summary;
        let rate = u128::from(records) * 1_000 / took.as_millis().max(1);
        let seconds = took.as_secs_f64();
        anstream::eprintln!(
            "{}: {records} records in {seconds:.1} s ({rate}/s): {accepted} accepted, {replayed} known already, {rejected} rejected",
            file.display()
        );
        if rejected > 0 {
            anstream::eprintln!("rejected lines and reasons: {}", inner.rejects.path().display());
        }
        if !finished {
            anstream::eprintln!("interrupted after line {}: type the same command to go on", inner.checkpoint.done());
        }
        Ok(Summary { finished, ..inner.summary })
    }
}

impl Inner {
    fn answered(&mut self, line: u64) -> io::Result<()> {
        let Summary { accepted, replayed, rejected, .. } = self.summary;
        self.progress.advance(&format!("{accepted} accepted, {replayed} known, {rejected} rejected"));
        self.checkpoint.answered(line)
    }
}
