//! The only place that reads the clock or makes an id.

use chrono::{DateTime, Timelike as _, Utc};
use uuid::Uuid;

/// The current instant, to the microsecond: what the log, Postgres and JSON all keep.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn now() -> DateTime<Utc> {
    let now = Utc::now();
    now.with_nanosecond(now.nanosecond() / 1_000 * 1_000).unwrap_or(now)
}

/// 128 random bits: ids that must say nothing.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn random_id() -> Uuid {
    Uuid::new_v4()
}

/// 128 bits that sort by the time they were made: ids that index well.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn ordered_id() -> Uuid {
    Uuid::now_v7()
}
