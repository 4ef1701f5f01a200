//! What became of every line so far: counts, rejects, progress, and where to go on after an interruption.

use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;

use super::Summary;
use super::checkpoint::{Answer, Checkpoint};
use super::rejects::Rejects;
use crate::progress::Progress;

pub(super) struct Tally(Mutex<Inner>);

struct Inner {
    summary: Summary,
    /// Of the whole file.
    lines: u64,
    checkpoint: Checkpoint,
    rejects: Rejects,
    progress: Progress,
    fault: Option<anyhow::Error>,
    waiting: bool,
}

impl Tally {
    pub(super) fn new(lines: u64, checkpoint: Checkpoint, rejects: Rejects, progress: Progress) -> Self {
        let summary = Summary { rejected: checkpoint.rejected(), ..Summary::default() };
        Self(Mutex::new(Inner { summary, lines, checkpoint, rejects, progress, fault: None, waiting: false }))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A header or an empty line.
    pub(super) fn no_record(&self, line: u64) -> io::Result<()> {
        self.inner().answered(line, Answer::Taken)
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
        inner.answered(line, Answer::Taken)
    }

    pub(super) fn rejected(&self, line: u64, code: &str, reason: &str) -> io::Result<()> {
        let mut inner = self.inner();
        inner.summary.records += 1;
        inner.summary.rejected += 1;
        inner.rejects.write(line, code, reason)?;
        inner.answered(line, Answer::Rejected)
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

    /// The last word: keeps how far the import came and prints what became of the file.
    pub(super) fn end(&self, finished: bool, file: &Path) -> anyhow::Result<Summary> {
        let mut inner = self.inner();
        let took = inner.progress.finish();
        if finished {
            inner.check_every_line_is_answered();
        }
        let kept = if finished && inner.fault.is_none() { inner.checkpoint.clear() } else { inner.checkpoint.save() };
        kept.context("the import's progress cannot be kept")?;
        let done = inner.checkpoint.done();
        if let Some(fault) = inner.fault.take() {
            return Err(fault.context(format!("stopped after line {done}: type the same command to go on")));
        }
        inner.print(took, file);
        if !finished {
            anstream::eprintln!("interrupted after line {done}: type the same command to go on");
        }
        Ok(Summary { finished, ..inner.summary })
    }
}

impl Inner {
    fn answered(&mut self, line: u64, answer: Answer) -> io::Result<()> {
        let Summary { accepted, replayed, rejected, .. } = self.summary;
        self.progress.advance(&format!("{accepted} accepted, {replayed} known, {rejected} rejected"));
        self.checkpoint.answered(line, answer)
    }

    /// Whatever loses a record, the file is not imported without it.
    fn check_every_line_is_answered(&mut self) {
        let (done, lines) = (self.checkpoint.done(), self.lines);
        if done != lines {
            let missing = done.min(lines) + 1;
            self.fault.get_or_insert_with(|| anyhow::anyhow!("line {missing} of {lines} lines has no answer"));
        }
    }

    fn print(&self, took: Duration, file: &Path) {
        let Summary { records, accepted, replayed, rejected, .. } = self.summary;
        let rate = u128::from(records) * 1_000 / took.as_millis().max(1);
        let (file, seconds) = (file.display(), took.as_secs_f64());
        anstream::eprintln!(
            "{file}: {records} records in {seconds:.1} s ({rate}/s): {accepted} accepted, {replayed} known already"
        );
        if rejected > 0 {
            anstream::eprintln!("{rejected} lines rejected overall, with reasons in {}", self.rejects.path().display());
        }
    }
}
