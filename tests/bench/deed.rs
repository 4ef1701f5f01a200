//! What guests do in the rows about read models: scattered over guests, topics and time, and the same in every run.

pub(crate) const TOPICS: u64 = 50;

pub(crate) struct Deed {
    pub(crate) guest: usize,
    pub(crate) topic: String,
    /// RFC 3339.
    pub(crate) occurred_at: String,
}

/// Which of the guests do something.
#[derive(Clone, Copy)]
pub(crate) struct Active {
    guests: usize,
    /// One in so many.
    every: usize,
}

impl Active {
    /// All of so many.
    pub(crate) fn everybody(guests: usize) -> Self {
        Self { guests, every: 1 }
    }

    /// So many, spread over all there are.
    pub(crate) fn some(guests: usize, of: usize) -> Self {
        Self { guests, every: of / guests }
    }
}

impl Deed {
    /// The deed of this number, by one of those who do anything.
    pub(crate) fn nth(number: usize, of: Active) -> Self {
        let dice = scattered(number as u64);
        let guest = usize::try_from(dice % of.guests as u64).unwrap_or_default() * of.every;
        Self::by(guest, number)
    }

    /// The deed of this number, by this guest.
    pub(crate) fn by(guest: usize, number: usize) -> Self {
        let dice = scattered(!(number as u64));
        let topic = format!("Topic {:02}", dice % TOPICS);
        let minute = (dice >> 16) % (12 * 28 * 24 * 60);
        let (minute, hour, day, month) = (minute % 60, minute / 60 % 24, minute / 1_440 % 28, minute / 40_320);
        let occurred_at = format!("2025-{:02}-{:02}T{hour:02}:{minute:02}:00+01:00", month + 1, day + 1);
        Self { guest, topic, occurred_at }
    }
}

/// `SplitMix64`: looks random, and is the same in every run. Source: Steele, Lea and Flood, 2014.
pub(crate) fn scattered(number: u64) -> u64 {
    let mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
