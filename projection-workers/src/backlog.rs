//! What of the log has arrived for a lane, and what of it is folded but not written.

use std::collections::VecDeque;
use std::time::Duration;

use event_log::read::LogMessage;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use vault::Vault;

use crate::care::Care;
use crate::error::Fault;
use crate::fold::{Folded, Folder};
use crate::open::{Sealed, unpack};

/// A batch is closed after this much folding, which is some thousand commits.
const WORK: Duration = Duration::from_millis(100);
/// Commits folded before anything else is looked at.
const SLICE: usize = 256;

/// What the log has for a lane.
pub(crate) struct Portion {
    pub(crate) messages: Vec<LogMessage>,
    /// The log was read up to here.
    pub(crate) position: i64,
    /// Taken for as long as the messages are kept.
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

pub(crate) struct Backlog {
    folder: Folder,
    arrived: VecDeque<Sealed>,
    room: Vec<OwnedSemaphorePermit>,
    /// Where the lane is when everything that arrived is folded.
    arrived_to: i64,
    folded: Folded,
    work: Duration,
    /// Where the lane is when what was taken is written.
    taken_to: i64,
}

impl Backlog {
    /// Nothing yet, behind `position`.
    pub(crate) fn new(folder: Folder, position: i64) -> Self {
        Self {
            folded: folder.empty(position),
            folder,
            arrived: VecDeque::new(),
            room: Vec::new(),
            arrived_to: position,
            work: Duration::ZERO,
            taken_to: position,
        }
    }

    /// Whether more can be taken in.
    pub(crate) fn is_open(&self) -> bool {
        self.arrived.is_empty()
    }

    pub(crate) async fn arrive(&mut self, vault: &Vault, portion: Portion) -> Result<(), Fault> {
        self.arrived_to = portion.position;
        if !portion.messages.is_empty() {
            self.arrived.extend(unpack(vault, portion.messages).await?);
        }
        self.room.extend(portion.room);
        self.settle();
        Ok(())
    }

    /// Whether there is something that may join the batch.
    pub(crate) fn can_fold(&self, care: &Care) -> bool {
        self.arrived.front().is_some_and(|next| self.joins(care, next))
    }

    fn joins(&self, care: &Care, next: &Sealed) -> bool {
        let most = care.most(self.folded.last).min(care.most(next.message.position.cast_signed()));
        self.folded.commits == 0 || (self.folded.commits < most && self.work < WORK)
    }

    /// Folds a few commits. A commit that cannot be folded spoils the batch: the lane has to start anew.
    pub(crate) fn fold(&mut self, care: &mut Care) -> Result<(), Fault> {
        let began = Instant::now();
        for _ in 0..SLICE {
            if !self.can_fold(care) {
                break;
            }
            let Some(sealed) = self.arrived.pop_front() else { break };
            let (position, others) = (sealed.message.position.cast_signed(), self.folded.commits > 0);
            let folded = self.folder.fold(&mut self.folded, sealed);
            folded.inspect_err(|fault| care.met_folding(fault, position, others))?;
        }
        self.work += began.elapsed();
        self.settle();
        Ok(())
    }

    /// With everything folded that arrived, the lane is as far as the log was read.
    fn settle(&mut self) {
        if self.arrived.is_empty() {
            self.room.clear();
            self.folded.position = self.arrived_to;
        }
    }

    /// Commits that are folded and not taken.
    pub(crate) fn commits(&self) -> usize {
        self.folded.commits
    }

    /// Whether only commits of others came since the last batch was taken.
    pub(crate) fn is_only_ahead(&self) -> bool {
        self.folded.commits == 0 && self.folded.position > self.taken_to
    }

    /// The batch, to be written.
    pub(crate) fn take(&mut self) -> Folded {
        self.work = Duration::ZERO;
        self.taken_to = self.folded.position;
        let next = self.folder.empty(self.folded.position);
        std::mem::replace(&mut self.folded, next)
    }
}
