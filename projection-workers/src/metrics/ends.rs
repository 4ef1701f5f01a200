//! Where the log ended when: tells how old the oldest commit behind a position can be, without looking it up.

use chrono::{DateTime, Utc};

/// With a look a second, half an hour passes before the older ones are thinned out.
const MOST: usize = 2_048;

/// Looks at the log's end, oldest first, each at a higher position than the one before.
#[derive(Debug, Default)]
pub(super) struct Ends(Vec<End>);

/// At `last_seen` the log ended at `position`.
#[derive(Clone, Copy, Debug)]
struct End {
    position: u64,
    last_seen: DateTime<Utc>,
}

impl Ends {
    /// Adds a look. One that was overtaken by another says nothing new.
    pub(super) fn saw(&mut self, position: u64, asked: DateTime<Utc>) {
        match self.0.last_mut() {
            Some(end) if end.position > position => {}
            Some(end) if end.position == position => end.last_seen = end.last_seen.max(asked),
            Some(_) | None => self.add(End { position, last_seen: asked }),
        }
    }

    /// The log's end, as far as it is known.
    pub(super) fn head(&self) -> Option<u64> {
        self.0.last().map(|end| end.position)
    }

    /// No commit behind `position` is older than this: it was not there yet.
    pub(super) fn not_before(&self, position: u64) -> Option<DateTime<Utc>> {
        let after = self.0.partition_point(|end| end.position <= position);
        self.0[..after].last().map(|end| end.last_seen)
    }

    /// With every other look gone all that is said stays true, only less exactly.
    fn add(&mut self, end: End) {
        if self.0.len() == MOST {
            let mut keep = false;
            self.0.retain(|_| {
                keep = !keep;
                keep
            });
        }
        self.0.push(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).expect("in range")
    }

    #[test]
    fn what_comes_behind_a_position_is_no_older_than_the_last_look_that_ended_there() {
        let mut ends = Ends::default();
        for (position, second) in [(10, 1), (10, 5), (20, 6), (15, 7)] {
            ends.saw(position, at(second));
        }
        assert_eq!(ends.head(), Some(20), "an answer that was overtaken is none");
        let not_before = [9, 10, 19, 20, 30].map(|position| ends.not_before(position));
        assert_eq!(not_before, [None, Some(at(5)), Some(at(5)), Some(at(6)), Some(at(6))]);
    }

    #[test]
    fn looks_are_bounded_and_the_thinned_ones_stay_true() {
        let mut ends = Ends::default();
        for look in 0..100_000 {
            ends.saw(look, at(look.cast_signed()));
        }
        assert!(ends.0.len() <= MOST);
        assert_eq!(ends.head(), Some(99_999));
        for position in [0, 1, 4_321, 99_998] {
            let not_before = ends.not_before(position).expect("the first look stays");
            assert!(not_before <= at(position.cast_signed()), "what comes behind {position} was made a second later");
        }
    }
}
