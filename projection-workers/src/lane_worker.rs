//! Folding one lane: while a batch is being written, the next one is folded from what arrives meanwhile.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use proto::subject::LogSubject;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vault::Vault;

use crate::backlog::{Backlog, Portion};
use crate::care::Care;
use crate::crew::Site;
use crate::error::Fault;
use crate::fold::Folder;
use crate::lane::Lane;
use crate::status::Status;
use crate::write::Writer;

/// A lane that only others have commits for says so that often.
const IDLE: Duration = Duration::from_millis(25);

/// What a lane ended with, and how to go on.
pub(crate) struct Ended {
    /// None when it was stopped, or the log is no longer read.
    pub(crate) fault: Option<Fault>,
    pub(crate) care: Care,
    /// Something was written.
    pub(crate) got_on: bool,
}

pub(crate) struct LaneWorker {
    lane: Lane,
    vault: Vault,
    status: Arc<Status>,
    portions: mpsc::UnboundedReceiver<Portion>,
    backlog: Backlog,
    care: Care,
    writer: State,
    last_write: Instant,
    got_on: bool,
}

enum State {
    Idle(Box<Writer>),
    Writing {
        task: JoinHandle<Result<Writer, Fault>>,
        range: RangeInclusive<i64>,
        commits: usize,
        last: Option<LogSubject>,
    },
    Ended,
}

impl LaneWorker {
    pub(crate) fn new(site: &Site, mut writer: Writer, portions: mpsc::UnboundedReceiver<Portion>, care: Care) -> Self {
        let lot = std::mem::take(&mut writer.lot).with(care.verdicts());
        let folder = Folder::new(writer.checkpoints.lane, writer.checkpoints.each(), lot, site.proves);
        let backlog = Backlog::new(folder, writer.checkpoints.position);
        let (vault, status, lane) = (site.vault.clone(), Arc::clone(&site.status), writer.checkpoints.lane);
        let writer = State::Idle(Box::new(writer));
        Self { lane, vault, status, portions, backlog, care, writer, last_write: Instant::now(), got_on: false }
    }

    /// Folds until a fault, until the log is no longer read, or until it is stopped; what was being written is finished.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Ended {
        let mut ended = self.fold(&stop).await;
        if let State::Writing { .. } = self.writer {
            let written = self.writer.written().await;
            // A fault of the write comes first: what was folded after it never counted.
            ended = self.note(written).and(ended);
        }
        Ended { fault: ended.err(), care: self.care, got_on: self.got_on }
    }

    async fn fold(&mut self, stop: &CancellationToken) -> Result<(), Fault> {
        loop {
            self.write_what_is_due();
            let can_fold = self.backlog.can_fold(&self.care);
            let idle_until = self.last_write + IDLE;
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                written = self.writer.written() => self.note(written)?,
                () = std::future::ready(()), if can_fold => {
                    self.backlog.fold(&mut self.care)?;
                    tokio::task::yield_now().await;
                }
                portion = self.portions.recv(), if self.backlog.is_open() => {
                    let Some(portion) = portion else { return Ok(()) };
                    self.backlog.arrive(&self.vault, portion).await?;
                }
                () = tokio::time::sleep_until(idle_until), if self.backlog.is_only_ahead() && self.writer.is_idle() => {}
            }
        }
    }

    fn write_what_is_due(&mut self) {
        let is_due = self.backlog.commits() > 0 || (self.backlog.is_only_ahead() && self.last_write.elapsed() >= IDLE);
        if !is_due || !self.writer.is_idle() {
            return;
        }
        if let State::Idle(writer) = std::mem::replace(&mut self.writer, State::Ended) {
            let folded = self.backlog.take();
            let (range, commits, last) = (folded.first..=folded.last, folded.commits, folded.subject.clone());
            self.last_write = Instant::now();
            self.writer = State::Writing { task: tokio::spawn(writer.write(folded)), range, commits, last };
        }
    }

    fn note(&mut self, written: Result<Writer, Fault>) -> Result<(), Fault> {
        match (written, std::mem::replace(&mut self.writer, State::Ended)) {
            (Ok(writer), _) => {
                self.care.went_well(writer.checkpoints.position);
                self.got_on = true;
                self.status.folding(self.lane);
                self.writer = State::Idle(Box::new(writer));
                Ok(())
            }
            (Err(fault), State::Writing { range, commits, last, .. }) => {
                self.care.met_writing(&fault, range, commits, last.as_ref());
                Err(fault)
            }
            (Err(fault), State::Idle(_) | State::Ended) => Err(fault),
        }
    }
}

impl State {
    fn is_idle(&self) -> bool {
        matches!(self, Self::Idle(_))
    }

    /// What became of the batch that is being written; waits for ever when there is none.
    async fn written(&mut self) -> Result<Writer, Fault> {
        match self {
            Self::Writing { task, .. } => task.await.unwrap_or_else(|panic| Err(Fault::Panicked(panic.to_string()))),
            Self::Idle(_) | Self::Ended => std::future::pending().await,
        }
    }
}
