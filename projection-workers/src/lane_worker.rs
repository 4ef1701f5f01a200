//! Folding one lane: while a batch is being written, the next one is folded from what arrives meanwhile.

use std::ops::RangeInclusive;
use std::time::Duration;

use proto::subject::LogSubject;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::backlog::{Backlog, Portion};
use crate::care::Care;
use crate::crew::Site;
use crate::error::Fault;
use crate::fold::Folder;
use crate::lane::Lane;
use crate::pace::Pace;
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
    site: Site,
    lane: Lane,
    portions: mpsc::UnboundedReceiver<Portion>,
    backlog: Backlog,
    care: Care,
    pace: Pace,
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
    pub(crate) fn new(site: Site, mut writer: Writer, portions: mpsc::UnboundedReceiver<Portion>, care: Care) -> Self {
        let backlog = Backlog::new(folder(&site, &mut writer, &care), writer.checkpoints.position, writer.pace.most());
        let (lane, pace) = (writer.checkpoints.lane, writer.pace.clone());
        let writer = State::Idle(Box::new(writer));
        Self { site, lane, portions, backlog, care, pace, writer, last_write: Instant::now(), got_on: false }
    }

    /// Folds until a fault that takes time to mend, until the log is no longer read, or until it is stopped; what was being
    /// written is finished.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Ended {
        let mut ended = self.fold_and_finish(&stop).await;
        while ended.is_err() && self.care.at_once && self.backlog.is_whole() && !stop.is_cancelled() {
            self = match self.again().await {
                Ok(again) => again,
                Err(ended) => return ended,
            };
            ended = self.fold_and_finish(&stop).await;
        }
        Ended { fault: ended.err(), care: self.care, got_on: self.got_on }
    }

    /// Starts anew from the checkpoints, without leaving the crew: the log need not be read again.
    async fn again(self) -> Result<Self, Ended> {
        let Self { site, lane, portions, backlog, care, got_on, writer, .. } = self;
        drop(writer);
        let care = care.at_rest();
        match Writer::again(&site, lane).await {
            Ok(mut writer) => {
                let folder = folder(&site, &mut writer, &care);
                let backlog = backlog.again(folder, writer.checkpoints.position, writer.pace.most());
                let (pace, writer) = (writer.pace.clone(), State::Idle(Box::new(writer)));
                Ok(Self { site, lane, portions, backlog, care, pace, writer, last_write: Instant::now(), got_on })
            }
            Err(fault) => Err(Ended { fault: Some(fault), care, got_on }),
        }
    }

    async fn fold_and_finish(&mut self, stop: &CancellationToken) -> Result<(), Fault> {
        let ended = self.fold(stop).await;
        let State::Writing { .. } = self.writer else { return ended };
        let written = self.writer.written().await;
        // A fault of the write comes first: what was folded after it never counted.
        self.note(written).and(ended)
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
                    let _turn = self.pace.turn_to_fold().await;
                    self.backlog.fold(&mut self.care)?;
                    tokio::task::yield_now().await;
                }
                portion = self.portions.recv(), if self.backlog.is_open() => {
                    let Some(portion) = portion else { return Ok(()) };
                    let _turn = self.pace.turn_to_fold().await;
                    self.backlog.arrive(&self.site.vault, portion).await?;
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
                self.backlog.written(writer.checkpoints.position);
                self.got_on = true;
                self.site.status.folding(self.lane);
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

/// Folds from where the checkpoints are.
fn folder(site: &Site, writer: &mut Writer, care: &Care) -> Folder {
    let lot = std::mem::take(&mut writer.lot).with(care.verdicts());
    Folder::new(&writer.checkpoints, lot, site.proves)
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
