//! Whose commits are kept while the log is read past: those of some partitions, or of a sample of all owners.

use std::collections::{BTreeMap, BinaryHeap};

use bytes::Bytes;
use event_log::read::LogMessage;
use proto::subject::LogSubject;

use super::refold::{Lives, Whose};
use crate::proof;

/// Which owners are kept.
pub(super) enum Selection {
    Partitions { partitions: Vec<i16>, lives: Lives },
    Sample(Sample),
}

/// Every owner is as likely as any other: those whose salted hashes are the smallest are kept. An owner that is among them in
/// the end has been from its first commit on.
pub(super) struct Sample {
    most: usize,
    salt: Vec<u8>,
    kept: BTreeMap<u128, (LogSubject, Vec<LogMessage>)>,
    hashes: BinaryHeap<u128>,
}

impl Selection {
    pub(super) fn partitions(partitions: Vec<i16>) -> Self {
        Self::Partitions { partitions, lives: Lives::new() }
    }

    pub(super) fn sample(most: usize) -> Self {
        let salt = runtime::clock::random_id().as_bytes().to_vec();
        Self::Sample(Sample { most, salt, kept: BTreeMap::new(), hashes: BinaryHeap::new() })
    }

    pub(super) fn offer(&mut self, message: LogMessage) {
        match self {
            Self::Partitions { partitions, lives } => {
                if partitions.contains(&message.subject.partition().into()) {
                    let message = on_its_own(message);
                    lives.entry(message.wire_subject.to_string()).or_default().push(message);
                }
            }
            Self::Sample(sample) => sample.offer(message),
        }
    }

    /// Whose rows can be compared, and their commits.
    pub(super) fn finish(self) -> (Whose, Lives) {
        match self {
            Self::Partitions { partitions, lives } => (Whose::Partitions(partitions), lives),
            Self::Sample(sample) => {
                let owners = sample.kept.values().map(|(subject, _)| subject.clone()).collect();
                let lives = sample.kept.into_values().map(|(subject, life)| (subject.to_string(), life)).collect();
                (Whose::Owners(owners), lives)
            }
        }
    }
}

/// Free of the connection's buffer, which is kept whole for as long as any message in it is.
fn on_its_own(message: LogMessage) -> LogMessage {
    let wire_subject = message.wire_subject.to_string().into();
    LogMessage { payload: Bytes::copy_from_slice(&message.payload), wire_subject, ..message }
}

impl Sample {
    fn offer(&mut self, message: LogMessage) {
        let hash = proof::mark(0, &message.wire_subject, &self.salt);
        if let Some((_, life)) = self.kept.get_mut(&hash) {
            life.push(on_its_own(message));
            return;
        }
        if self.kept.len() >= self.most {
            let Some(largest) = self.hashes.peek().copied().filter(|largest| hash < *largest) else { return };
            self.hashes.pop();
            self.kept.remove(&largest);
        }
        self.hashes.push(hash);
        self.kept.insert(hash, (message.subject.clone(), vec![on_its_own(message)]));
    }
}

#[cfg(test)]
mod tests {
    use proto::subject::Owner;

    use super::*;

    fn message(position: u64, guest: u128) -> LogMessage {
        let subject = LogSubject::new("demo".parse().expect("a token"), Owner::guest(guest));
        LogMessage {
            position,
            wire_subject: subject.to_string().into(),
            subject,
            payload: Bytes::new(),
            pending: 0,
            trace: None,
        }
    }

    #[test]
    fn a_sample_has_whole_lives_of_as_many_owners_as_it_may() {
        let mut selection = Selection::sample(10);
        for position in 0..1_000 {
            selection.offer(message(position, u128::from(position % 100)));
        }
        let (Whose::Owners(owners), lives) = selection.finish() else { panic!("owners") };
        assert_eq!((owners.len(), lives.len()), (10, 10));
        assert!(lives.values().all(|life| life.len() == 10));
    }

    #[test]
    fn partitions_have_everybody_in_them() {
        let pp = i16::from(message(1, 7).subject.partition());
        let mut selection = Selection::partitions(vec![pp]);
        for (position, guest) in [(1, 7), (2, 8), (3, 7)] {
            selection.offer(message(position, guest));
        }
        let (_, lives) = selection.finish();
        assert_eq!(lives[&message(1, 7).subject.to_string()].len(), 2);
    }
}
