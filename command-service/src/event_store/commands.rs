//! Which commands an owner has carried out: the last ones by position, all older ones in a filter that forgets none.
//!
//! The filter may take a command for an old one that is not; the command log then tells. It never overlooks one.

use std::collections::VecDeque;
use std::sync::Arc;

use schema::command_hash;
use serde::{Deserialize, Serialize};

const REMEMBERED: usize = 256;
/// Ids the first part of the filter is made for; each further part is for twice as many, up to a size.
const FIRST_PART: usize = 512;
const DOUBLINGS: usize = 6;
/// With [`PROBES`] each part takes about three new ids in a thousand for old ones, which costs a question to the command log.
const BITS_PER_ID: usize = 12;
const PROBES: u64 = 8;

/// Ids of commands, by a hash that says which commit to look at; the commit has the id itself.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Commands {
    /// `(hash of the id, position)`, oldest first.
    last: VecDeque<(u64, u64)>,
    /// Shared with the states before: only the last part ever changes.
    older: Vec<Arc<Part>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    ids: usize,
    room: usize,
    bits: Vec<u8>,
}

/// Where the commit of a command may be; nowhere when the command is new.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// At one of these positions.
    pub(crate) at: Vec<u64>,
    /// Or somewhere before this one.
    pub(crate) before: Option<u64>,
}

/// With room for the one more that a clone is made for.
impl Clone for Commands {
    fn clone(&self) -> Self {
        let mut last = VecDeque::with_capacity(self.last.len() + 1);
        last.extend(&self.last);
        Self { last, older: self.older.clone() }
    }
}

impl Memory {
    pub(crate) fn is_empty(&self) -> bool {
        self.at.is_empty() && self.before.is_none()
    }
}

impl Commands {
    pub(crate) fn remember(&mut self, command_id: &str, position: u64) {
        self.last.push_back((command_hash(command_id), position));
        if self.last.len() > REMEMBERED
            && let Some((old, _)) = self.last.pop_front()
        {
            self.forget(old);
        }
    }

    pub(crate) fn recall(&self, command_id: &str) -> Memory {
        let id = command_hash(command_id);
        let at = self.last.iter().rev().filter(|(known, _)| *known == id).map(|(_, at)| *at).collect();
        let older = self.older.iter().any(|part| part.may_have(id));
        Memory { at, before: self.last.front().filter(|_| older).map(|(_, first)| *first) }
    }

    /// Moves an id from the list into the filter.
    fn forget(&mut self, id: u64) {
        if self.older.last().is_none_or(|part| part.ids == part.room) {
            self.older.push(Arc::new(Part::new(FIRST_PART << self.older.len().min(DOUBLINGS))));
        }
        if let Some(part) = self.older.last_mut() {
            Arc::make_mut(part).add(id);
        }
    }

    /// Roughly what this takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.last.len() * size_of::<(u64, u64)>() + self.older.iter().map(|part| part.bits.len()).sum::<usize>()
    }
}

impl Part {
    fn new(room: usize) -> Self {
        Self { ids: 0, room, bits: vec![0; room * BITS_PER_ID / 8] }
    }

    fn add(&mut self, id: u64) {
        for (byte, bit) in self.probes(id) {
            self.bits[byte] |= bit;
        }
        self.ids += 1;
    }

    fn may_have(&self, id: u64) -> bool {
        self.probes(id).all(|(byte, bit)| self.bits[byte] & bit != 0)
    }

    /// Double hashing (Kirsch and Mitzenmacher): the probes of an id from two halves of one hash.
    fn probes(&self, id: u64) -> impl Iterator<Item = (usize, u8)> + use<> {
        let bits = self.bits.len() as u64 * 8;
        let (start, step) = (id & 0xffff_ffff, (id >> 32) | 1);
        (0..PROBES).map(move |probe| {
            let bit = start.wrapping_add(step.wrapping_mul(probe)) % bits;
            (usize::try_from(bit / 8).unwrap_or_default(), 1 << (bit % 8))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(commands: u64) -> Commands {
        let mut known = Commands::default();
        (1..=commands).for_each(|number| known.remember(&format!("c-{number}"), number));
        known
    }

    #[test]
    fn no_command_is_ever_forgotten() {
        let (known, before) = (after(5_000), Memory { at: Vec::new(), before: Some(4_745) });
        let at = |position| Memory { at: vec![position], before: None };
        assert_eq!(known.recall("c-5000"), at(5_000));
        assert_eq!(known.recall("c-4745"), at(4_745), "the oldest in the list");
        for number in 1..=4_744 {
            assert_eq!(known.recall(&format!("c-{number}")), before, "{number}");
        }
    }

    #[test]
    fn few_new_commands_are_taken_for_old_ones() {
        let known = after(20_000);
        let mistaken = (0..10_000).filter(|number| known.recall(&format!("new-{number}")) != Memory::default()).count();
        assert!(mistaken < 200, "{mistaken} of 10,000");
        assert!(after(400_000).bytes() < crate::event_store::snapshot::MAX_BYTES, "no snapshot could hold them");
    }

    #[test]
    fn an_owner_with_few_commands_mistakes_none() {
        assert_eq!(after(REMEMBERED as u64).recall("new"), Memory::default());
        assert_eq!(Commands::default().recall("new"), Memory::default());
    }
}
