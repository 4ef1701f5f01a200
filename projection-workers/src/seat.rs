//! The lanes a worker holds: which are folded, which wait, and for how long.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::care::Care;
use crate::crew::Assignment;
use crate::error::{Fault, Severity};
use crate::lane::Lane;
use crate::lane_worker::Ended;
use crate::lease::Share;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const HALT_PAUSE: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(crate) struct Seats {
    seats: Vec<Seat>,
    /// Nothing is started before every lane has ended, so that all are started together.
    regrouping: bool,
}

struct Seat {
    lane: Lane,
    care: Care,
    state: State,
    /// Before the next try.
    pause: Duration,
    /// It is to be given to others.
    leaving: bool,
}

enum State {
    Folded(CancellationToken),
    Waiting(Instant),
}

impl Seats {
    /// Takes up new lanes and drops lost ones, which are returned; stops those that are to be given away.
    pub(crate) fn reconcile(&mut self, share: &Share) -> Vec<Lane> {
        let (kept, lost) =
            std::mem::take(&mut self.seats).into_iter().partition(|seat| share.mine.contains(&seat.lane));
        self.seats = kept;
        let lost: Vec<Seat> = lost;
        lost.iter().for_each(Seat::stop);
        for lane in &share.mine {
            if self.seats.iter().all(|seat| seat.lane != *lane) {
                self.seats.push(Seat::new(*lane));
            }
        }
        let leaving = self.seats.iter().filter(|seat| seat.leaving).count();
        let more = share.too_many.saturating_sub(leaving);
        for seat in self.seats.iter_mut().rev().filter(|seat| seat.is_folded() && !seat.leaving).take(more) {
            seat.leaving = true;
            seat.stop();
        }
        lost.iter().map(|seat| seat.lane).collect()
    }

    /// Notes how a lane ended; true when it is now to be given away.
    pub(crate) fn ended(&mut self, lane: Lane, ended: Ended) -> bool {
        let Some(index) = self.seats.iter().position(|seat| seat.lane == lane) else { return false };
        let seat = &mut self.seats[index];
        let (leaving, lost) = (seat.leaving, matches!(ended.fault, Some(Fault::TakenOver)));
        if leaving || lost {
            self.seats.remove(index);
        } else {
            seat.wait(ended);
        }
        leaving
    }

    /// Stops every lane so that all are started together again.
    pub(crate) fn regroup(&mut self) {
        if self.seats.iter().all(|seat| seat.is_folded() && !seat.leaving) {
            self.regrouping = true;
            self.stop_all();
        }
    }

    /// Stops these lanes, which are started again at once: what somebody asked of them is done before they fold on.
    pub(crate) fn start_anew(&self, lanes: &[Lane]) {
        self.seats.iter().filter(|seat| lanes.contains(&seat.lane)).for_each(Seat::stop);
    }

    pub(crate) fn stop_all(&self) {
        self.seats.iter().for_each(Seat::stop);
    }

    /// The lanes whose pause is over.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<Assignment> {
        self.regrouping &= self.seats.iter().any(Seat::is_folded);
        if self.regrouping {
            return Vec::new();
        }
        let due = |seat: &&mut Seat| matches!(seat.state, State::Waiting(until) if until <= now) && !seat.leaving;
        let assign = |seat: &mut Seat| {
            let stop = CancellationToken::new();
            seat.state = State::Folded(stop.clone());
            Assignment { lane: seat.lane, care: seat.care.clone(), stop }
        };
        self.seats.iter_mut().filter(due).map(assign).collect()
    }

    pub(crate) fn holds(&self, lane: Lane) -> bool {
        self.seats.iter().any(|seat| seat.lane == lane)
    }

    /// Returns when the next pause is over; never when nothing waits.
    pub(crate) async fn next_due(&self) {
        if self.regrouping {
            return std::future::pending().await;
        }
        let waiting = self.seats.iter().filter_map(|seat| match seat.state {
            State::Waiting(until) if !seat.leaving => Some(until),
            State::Waiting(_) | State::Folded(_) => None,
        });
        match waiting.min() {
            Some(until) => tokio::time::sleep_until(until).await,
            None => std::future::pending().await,
        }
    }
}

impl Seat {
    fn new(lane: Lane) -> Self {
        Self { lane, care: Care::default(), state: State::Waiting(Instant::now()), pause: FIRST_PAUSE, leaving: false }
    }

    fn is_folded(&self) -> bool {
        matches!(self.state, State::Folded(_))
    }

    /// Decides when it is tried again.
    fn wait(&mut self, Ended { fault, care, got_on }: Ended) {
        let stopped = matches!(&self.state, State::Folded(stop) if stop.is_cancelled());
        if got_on {
            self.pause = FIRST_PAUSE;
        }
        let pause = match fault.as_ref().map(Fault::severity) {
            Some(_) if care.at_once => Duration::ZERO,
            None if stopped => Duration::ZERO,
            Some(Severity::Halt) => HALT_PAUSE,
            None | Some(Severity::Retry | Severity::Stop) => {
                let pause = self.pause;
                self.pause = (pause * 2).min(LONGEST_PAUSE);
                pause
            }
        };
        self.care = care.at_rest();
        self.state = State::Waiting(Instant::now() + pause);
    }

    fn stop(&self) {
        if let State::Folded(stop) = &self.state {
            stop.cancel();
        }
    }
}
