//! An instant as the caller told it: RFC 3339 with an offset, kept to the microsecond.

use chrono::{DateTime, Datelike as _, FixedOffset, TimeDelta, Timelike as _, Utc};

use super::Invalid;

/// Whose clock is further from ours is no clock: it was sent again from where it was kept.
const MOST_WRONG: TimeDelta = TimeDelta::hours(24);
/// So much a teller's clock may be ahead of ours.
const AHEAD: TimeDelta = TimeDelta::minutes(5);

/// An instant and the offset it was told in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instant(DateTime<FixedOffset>);

impl Instant {
    pub fn timestamp(self) -> prost_types::Timestamp {
        let nanos = self.0.nanosecond() / 1_000 * 1_000;
        prost_types::Timestamp { seconds: self.0.timestamp(), nanos: i32::try_from(nanos).unwrap_or_default() }
    }

    pub fn offset_minutes(self) -> i32 {
        self.0.offset().local_minus_utc() / 60
    }

    /// The same instant by our own clock, when its teller's clock said `sent_at` as we received it: that much its clock was wrong. What
    /// is still ahead of us after that happened when we heard of it.
    pub(crate) fn by_our_clock(self, sent_at: Option<Self>, received_at: DateTime<Utc>) -> Self {
        let is_wrong_clock = |sent_at: &Self| sent_at.0.signed_duration_since(received_at).abs() <= MOST_WRONG;
        let corrected = sent_at.filter(is_wrong_clock).map_or(self.0, |sent_at| {
            let ago = sent_at.0.signed_duration_since(self.0);
            received_at.with_timezone(self.0.offset()).checked_sub_signed(ago).unwrap_or(self.0)
        });
        let is_ahead = corrected.signed_duration_since(received_at) > AHEAD;
        let is_storable = (1..=9999).contains(&corrected.to_utc().year());
        Self(if is_ahead || !is_storable { received_at.with_timezone(self.0.offset()) } else { corrected })
    }
}

impl From<DateTime<Utc>> for Instant {
    fn from(instant: DateTime<Utc>) -> Self {
        Self(instant.fixed_offset())
    }
}

/// Reads years 1 to 9999; a leap second is refused, since no store keeps it.
pub fn parse(field: &'static str, text: &str) -> Result<Instant, Invalid> {
    let detail = "must be RFC 3339 with an offset, such as 2026-03-01T10:00:00+01:00".to_owned();
    let invalid = Invalid { field, code: "invalid_date", detail };
    let instant = DateTime::parse_from_rfc3339(text).map_err(|_| invalid.clone())?;
    let storable = (1..=9999).contains(&instant.to_utc().year()) && instant.nanosecond() < 1_000_000_000;
    if storable { Ok(Instant(instant)) } else { Err(invalid) }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn the_offset_is_kept_and_the_instant_is_utc() {
        let instant = parse("at", "2026-03-01T10:00:00.123456789+01:00").expect("valid");
        assert_eq!((instant.timestamp().seconds, instant.timestamp().nanos), (1_772_355_600, 123_456_000));
        assert_eq!(instant.offset_minutes(), 60);
    }

    #[test]
    fn instants_no_store_can_keep_are_refused() {
        for text in
            ["2016-12-31T23:59:60Z", "0000-01-01T00:00:00Z", "+300000-01-01T00:00:00Z", "2026-03-01T10:00:00+25:00"]
        {
            assert!(parse("at", text).is_err(), "{text}");
        }
    }
}
