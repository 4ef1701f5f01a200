//! Instants as callers write and read them: RFC 3339 with an offset.

use chrono::{DateTime, FixedOffset, SecondsFormat, Timelike as _, Utc};

const NANOS_OF_A_SECOND: u32 = 1_000_000_000;

/// The instant; `None` when it has no offset or names no instant of UTC. In a query string an unescaped `+` arrives as a blank.
pub(crate) fn parse(text: &str) -> Option<DateTime<Utc>> {
    let mut text = text.to_owned();
    let sign = text.len().saturating_sub("+01:00".len());
    if text.get(sign..=sign) == Some(" ") {
        text.replace_range(sign..=sign, "+");
    }
    let instant = DateTime::parse_from_rfc3339(&text).ok()?;
    // chrono reads a leap second as one of two seconds' length; Postgres would move it.
    (instant.nanosecond() < NANOS_OF_A_SECOND).then(|| instant.to_utc())
}

/// The instant in UTC: `2026-03-01T09:00:00Z`.
pub(crate) fn utc(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// The instant with the offset its caller gave.
pub(crate) fn with_offset(instant: DateTime<Utc>, offset_minutes: i16) -> String {
    let offset = FixedOffset::east_opt(i32::from(offset_minutes) * 60);
    offset.map_or_else(
        || utc(instant),
        |offset| instant.with_timezone(&offset).to_rfc3339_opts(SecondsFormat::AutoSi, true),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_reads_back_with_the_offset_it_was_given() {
        for (text, minutes) in [
            ("2026-03-01T10:00:00+01:00", 60),
            ("2026-03-01T10:00:00.123456-09:30", -570),
            ("2026-03-01T10:00:00Z", 0),
            ("1997-01-01T00:00:00.500+14:00", 840),
        ] {
            assert_eq!(with_offset(parse(text).expect("an instant"), minutes), text);
        }
    }

    #[test]
    fn an_unescaped_plus_is_understood() {
        assert_eq!(parse("2026-03-01T10:00:00 01:00"), parse("2026-03-01T10:00:00+01:00"));
    }

    #[test]
    fn what_names_no_instant_is_none() {
        for text in [
            "",
            "2026-03-01",
            "2026-03-01T10:00:00",
            "2026-02-30T10:00:00Z",
            "2016-12-31T23:59:60Z",
            "2026-03-01T10:00:00+25:00",
            "日本 日本語",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
