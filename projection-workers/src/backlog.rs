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
    /// Taken until the messages are folded.
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

pub(crate) struct Backlog {
    folder: Folder,
    /// Everything that is not known to be written.
    commits: VecDeque<Sealed>,
    /// The first of them that is not folded, by its place.
    next: usize,
    /// Nothing that came is missing among them.
    whole: bool,
    room: Vec<OwnedSemaphorePermit>,
    /// Where the lane is when everything that arrived is folded.
    arrived_to: i64,
    folded: Folded,
    /// Commits of a batch.
    most: usize,
    work: Duration,
    /// Where the lane is when what was taken is written.
    taken_to: i64,
}

impl Backlog {
    /// Nothing yet, behind `position`; so many commits go together at most.
    pub(crate) fn new(folder: Folder, position: i64, most: usize) -> Self {
        Self {
            most,
            folded: folder.empty(position),
            folder,
            commits: VecDeque::new(),
            next: 0,
            whole: true,
            room: Vec::new(),
            arrived_to: position,
            work: Duration::ZERO,
            taken_to: position,
        }
    }

    /// As if nothing had been folded beyond `position`, where the folder begins.
    pub(crate) fn again(self, folder: Folder, position: i64, most: usize) -> Self {
        let Self { commits, room, arrived_to, .. } = self;
        let arrived_to = arrived_to.max(position);
        let mut again = Self { commits, room, arrived_to, ..Self::new(folder, position, most) };
        again.written(position);
        again.settle();
        again
    }

    /// Everything up to `position` is written.
    pub(crate) fn written(&mut self, position: i64) {
        let written = self.commits.partition_point(|commit| commit.message.position.cast_signed() <= position);
        self.commits.drain(..written);
        self.next = self.next.saturating_sub(written);
    }

    /// Whether it can be folded again without reading the log again.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole
    }

    /// Whether more can be taken in.
    pub(crate) fn is_open(&self) -> bool {
        self.next == self.commits.len()
    }

    /// After an error what came is lost: the log has to be read again.
    pub(crate) async fn arrive(&mut self, vault: &Vault, portion: Portion) -> Result<(), Fault> {
        if !portion.messages.is_empty() {
            self.whole = false;
            self.commits.extend(unpack(vault, portion.messages).await?);
            self.whole = true;
        }
        self.arrived_to = portion.position;
        self.room.extend(portion.room);
        self.settle();
        Ok(())
    }

    /// Whether there is something that may join the batch.
    pub(crate) fn can_fold(&self, care: &Care) -> bool {
        self.commits.get(self.next).is_some_and(|next| self.joins(care, next))
    }

    fn joins(&self, care: &Care, next: &Sealed) -> bool {
        let next = next.message.position.cast_signed();
        let most = self.most.min(care.most(self.folded.last)).min(care.most(next));
        self.folded.commits == 0 || (self.folded.commits < most && self.work < WORK)
    }

    /// Folds a few commits. A commit that cannot be folded spoils the batch: they have to be folded again.
    pub(crate) fn fold(&mut self, care: &mut Care) -> Result<(), Fault> {
        let began = Instant::now();
        for _ in 0..SLICE {
            if !self.can_fold(care) {
                break;
            }
            let Some(sealed) = self.commits.get(self.next) else { break };
            let (position, others) = (sealed.message.position.cast_signed(), self.folded.commits > 0);
            let folded = self.folder.fold(&mut self.folded, sealed);
            folded.inspect_err(|fault| care.met_folding(fault, position, others))?;
            self.next += 1;
        }
        self.work += began.elapsed();
        self.settle();
        Ok(())
    }

    /// With everything folded that arrived, the lane is as far as the log was read.
    fn settle(&mut self) {
        if self.is_open() {
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

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use proto::{Commit, SealedPart, StoredEvent};
    use runtime::config::Secret;

    use super::*;
    use crate::parking::Lot;

    fn folder(care: &Care) -> Folder {
        Folder::of_everything(Lot::default().with(care.verdicts()))
    }

    #[test]
    fn what_is_not_known_to_be_written_is_folded_again_and_nothing_else() {
        let mut care = Care::default();
        let mut backlog = Backlog::new(folder(&care), 1, 100);
        backlog.commits.extend([2, 3, 5].map(Sealed::unreadable));
        backlog.arrived_to = 6;
        backlog.fold(&mut care).expect_err("nobody can read it");
        assert!(care.at_once);
        let mut backlog = backlog.again(folder(&care), 1, 100);
        backlog.fold(&mut care).expect("its owner is set aside");
        let folded = backlog.take();
        assert_eq!((folded.commits, folded.first, folded.last, folded.position), (3, 2, 5, 6));
        backlog.written(3);
        let mut backlog = backlog.again(folder(&care), 3, 100);
        assert!(!backlog.is_open());
        backlog.fold(&mut care).expect("its owner is set aside");
        let folded = backlog.take();
        assert_eq!((folded.commits, folded.first, folded.position), (1, 5, 6));
        backlog.written(6);
        let backlog = backlog.again(folder(&care), 6, 100);
        assert!(backlog.is_open() && !backlog.is_only_ahead() && backlog.commits() == 0);
    }

    #[tokio::test]
    async fn a_portion_whose_keys_cannot_be_asked_for_leaves_a_gap() {
        let key_file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(key_file.path(), [7; 32]).expect("writes");
        let nowhere = Secret::new("postgres://127.0.0.1:1/nowhere".to_owned());
        let vault = Vault::connect(&nowhere, key_file.path()).expect("a key is all it takes");
        let sealed = StoredEvent { sealed: vec![SealedPart::default()], ..StoredEvent::default() };
        let payload = Commit { events: vec![sealed], ..Commit::default() }.encode_to_vec();
        let message = LogMessage { payload: payload.into(), ..Sealed::unreadable(2).message };
        let mut backlog = Backlog::new(folder(&Care::default()), 1, 100);
        let portion = Portion { messages: vec![message], position: 2, room: None };
        backlog.arrive(&vault, portion).await.expect_err("nobody has keys");
        assert!(!backlog.is_whole());
    }
}
