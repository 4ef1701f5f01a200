//! Any contestant, with a note of when each of its requests was accepted and at which position.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use async_nats::Message;

use super::{Contestant, Request, Verdict};

/// An accepted request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Note {
    pub(crate) position: u64,
    pub(crate) at: Instant,
}

pub(crate) struct Noted {
    contestant: Box<dyn Contestant>,
    notes: Mutex<Vec<Note>>,
}

impl Noted {
    pub(crate) fn new(contestant: impl Contestant + 'static) -> Self {
        Self { contestant: Box::new(contestant), notes: Mutex::default() }
    }

    /// What was accepted since the last time.
    pub(crate) fn take(&self) -> Vec<Note> {
        std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Contestant for Noted {
    fn request(&self, owner: usize) -> Request {
        self.contestant.request(owner)
    }

    fn judge(&self, owner: usize, answer: &Message) -> anyhow::Result<Verdict> {
        let at = Instant::now();
        let verdict = self.contestant.judge(owner, answer)?;
        if let Verdict::Accepted(position) = verdict {
            self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(Note { position, at });
        }
        Ok(verdict)
    }
}
