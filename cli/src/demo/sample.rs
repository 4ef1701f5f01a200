//! The sample set: a few people written by hand, and thousands more from a seed. The same seed makes the same people.

use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta};

const BY_HAND: &str = include_str!("../../sample/people.ndjson");
const SEED: u64 = 0x006b_6565_7073_616b;
/// Not `music`: the CDNOW purchases are about it, and their sums are easier to see when nothing else is.
const TOPICS: [&str; 6] = ["folk", "jazz", "classical", "concerts", "vinyl", "books"];
const EVENTS: [&str; 4] = ["product.viewed", "search.performed", "order.created", "marketing.email.opened"];
const YEAR_SECONDS: u64 = 365 * 24 * 3600;
/// 2025-11-01T00:00:00Z
const FIRST_DAY: i64 = 1_761_955_200;

/// Segment messages of the people written by hand and of `people` generated ones, a line each.
pub(super) fn text(people: u32) -> String {
    let mut text = BY_HAND.to_owned();
    let mut random = Random(SEED);
    let mut message = 0;
    for person in 0..people {
        for _ in 0..=random.below(4) {
            message += 1;
            line(&mut text, &mut random, person, message);
        }
    }
    text
}

fn line(text: &mut String, random: &mut Random, person: u32, message: u32) {
    let topic = TOPICS[random.index(TOPICS.len())];
    let event = EVENTS[random.index(EVENTS.len())];
    let (dollars, cents) = (5 + random.below(95), random.below(100));
    let offset = i64::try_from(random.below(YEAR_SECONDS)).unwrap_or_default();
    let at = DateTime::from_timestamp(FIRST_DAY, 0).unwrap_or_default() + TimeDelta::seconds(offset);
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        r#"{{"type":"track","messageId":"generated-{message:06}","userId":"generated-{person:05}","event":"{event}","timestamp":"{}","properties":{{"topic":"{topic}","dollar_value":{dollars}.{cents:02}}}}}"#,
        at.format("%Y-%m-%dT%H:%M:%SZ")
    );
}

/// `SplitMix64`: small, and the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use crate::import::record::Format as _;
    use crate::import::segment::Segment;

    #[test]
    fn every_line_is_a_segment_message() {
        let text = super::text(200);
        assert_eq!(text, super::text(200), "the same seed makes the same people");
        for line in text.lines() {
            assert!(Segment.read(line).is_ok_and(|record| record.is_some()), "{line}");
        }
    }
}
