//! How long a sender waits. What was not begun by then is not begun any more; what was begun is finished.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use runtime::problem::Problem;
use tokio::time::Instant;

use crate::error::Fault;

const LONGEST: Duration = Duration::from_mins(10);

const OPEN: u8 = 0;
/// Something was handed to the log, so from here on only the log can say.
const BEGUN: u8 = 1;
const EXPIRED: u8 = 2;

/// A limit that its sender and its executor agree about, whoever comes first. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Deadline {
    at: Instant,
    state: Arc<AtomicU8>,
}

impl Deadline {
    /// From now on, as the sender's header says it in milliseconds.
    pub(crate) fn from_header(value: &str) -> Result<Self, Problem> {
        let millis = value.trim().parse().ok().filter(|millis| *millis > 0).map(Duration::from_millis);
        let wait = millis.filter(|wait| *wait <= LONGEST).ok_or_else(|| {
            let detail = format!("a timeout is 1 to {} milliseconds", LONGEST.as_millis());
            Problem::bad_request("timeout_invalid", detail)
        })?;
        Ok(Self { at: Instant::now() + wait, state: Arc::new(AtomicU8::new(OPEN)) })
    }

    /// Whether there is any time left.
    pub(crate) fn require_time(&self) -> Result<(), Fault> {
        let over = Instant::now() >= self.at || self.state.load(Ordering::Acquire) == EXPIRED;
        if over && self.expire() { Err(Fault::DeadlineExceeded) } else { Ok(()) }
    }

    /// Called before something is handed to the log; refused once the time is over.
    pub(crate) fn begin(&self) -> Result<(), Fault> {
        if Instant::now() >= self.at {
            self.expire();
        }
        match self.state.compare_exchange(OPEN, BEGUN, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) | Err(BEGUN) => Ok(()),
            Err(_) => Err(Fault::DeadlineExceeded),
        }
    }

    /// Waits until the time is over; what the sender is told then.
    pub(crate) async fn over(&self) -> Fault {
        tokio::time::sleep_until(self.at).await;
        if self.expire() { Fault::DeadlineExceeded } else { Fault::OutcomeUnknown }
    }

    /// True when nothing was begun, and now never will be.
    fn expire(&self) -> bool {
        let before = self.state.compare_exchange(OPEN, EXPIRED, Ordering::AcqRel, Ordering::Acquire);
        matches!(before, Ok(_) | Err(EXPIRED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_not_begun_in_time_is_not_begun_any_more() {
        let deadline = Deadline::from_header("1").expect("a timeout");
        assert!(matches!(deadline.over().await, Fault::DeadlineExceeded));
        assert!(matches!(deadline.begin(), Err(Fault::DeadlineExceeded)));
    }

    #[tokio::test]
    async fn what_was_begun_in_time_goes_on_and_its_outcome_is_unknown() {
        let deadline = Deadline::from_header("200").expect("a timeout");
        deadline.begin().expect("in time");
        assert!(matches!(deadline.over().await, Fault::OutcomeUnknown));
        assert!(deadline.begin().is_ok(), "another attempt of the same command");
    }

    #[test]
    fn a_timeout_is_a_number_of_milliseconds() {
        for value in ["", "0", "-1", "1.5", "5s", "600001"] {
            assert_eq!(Deadline::from_header(value).expect_err(value).code(), "timeout_invalid");
        }
    }
}
