//! When requests are due in an open loop: kept by a thread, because the async timer is no finer than a millisecond.

use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use super::Window;

/// What an answer may look later than it is, at most; waking more often would take the processor from what is measured.
const TICK: Duration = Duration::from_micros(250);

/// Tells each lane in turn when its next request is due. Ends with the window, or when nobody listens any more.
pub(super) fn keep(window: Window, rate: f64, lanes: &[UnboundedSender<Instant>]) {
    let between = Duration::from_secs_f64(1.0 / rate);
    let mut due = window.starts;
    for lane in lanes.iter().cycle() {
        while due > Instant::now() {
            thread::sleep(TICK);
        }
        if due >= window.closes || lane.send(due).is_err() {
            return;
        }
        due += between;
    }
}
