//! The lanes a worker holds: which are folded, which wait, and for how long.

use std::collections::BTreeMap;
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
    /// Of these tracks nothing is started before every lane has ended, so that all are started together.
    regrouping: Vec<i64>,
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
        for (track, too_many) in &share.too_many {
            let leaving = self.seats.iter().filter(|seat| seat.lane.track == *track && seat.leaving).count();
            let can_leave = |seat: &&mut Seat| seat.lane.track == *track && seat.is_folded() && !seat.leaving;
            for seat in self.seats.iter_mut().rev().filter(can_leave).take(too_many.saturating_sub(leaving)) {
                seat.leaving = true;
                seat.stop();
            }
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

    /// Stops every lane of a track so that all are started together again.
    pub(crate) fn regroup(&mut self, track: i64) {
        let seats = || self.seats.iter().filter(|seat| seat.lane.track == track);
        if seats().all(|seat| seat.is_folded() && !seat.leaving) {
            seats().for_each(Seat::stop);
            self.regrouping.push(track);
        }
    }

    /// Stops these lanes, which are started again at once: what somebody asked of them is done before they fold on.
    pub(crate) fn start_anew(&self, lanes: &[Lane]) {
        self.seats.iter().filter(|seat| lanes.contains(&seat.lane)).for_each(Seat::stop);
    }

    pub(crate) fn stop_all(&self) {
        self.seats.iter().for_each(Seat::stop);
    }

    /// The lanes whose pause is over, by their tracks.
    pub(crate) fn take_due(&mut self, now: Instant) -> BTreeMap<i64, Vec<Assignment>> {
        let seats = &self.seats;
        self.regrouping.retain(|track| seats.iter().any(|seat| seat.lane.track == *track && seat.is_folded()));
        let regrouping = &self.regrouping;
        let due = |seat: &&mut Seat| {
            matches!(seat.state, State::Waiting(until) if until <= now) && seat.is_startable(regrouping)
        };
        let mut by_track: BTreeMap<i64, Vec<Assignment>> = BTreeMap::new();
        for seat in self.seats.iter_mut().filter(due) {
            let stop = CancellationToken::new();
            seat.state = State::Folded(stop.clone());
            let assignment = Assignment { lane: seat.lane, care: seat.care.clone(), stop };
            by_track.entry(seat.lane.track).or_default().push(assignment);
        }
        by_track
    }

    pub(crate) fn holds(&self, lane: Lane) -> bool {
        self.seats.iter().any(|seat| seat.lane == lane)
    }

    /// Returns when the next pause is over; never when nothing waits.
    pub(crate) async fn next_due(&self) {
        let waiting = self.seats.iter().filter_map(|seat| match seat.state {
            State::Waiting(until) if seat.is_startable(&self.regrouping) => Some(until),
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

    fn is_startable(&self, regrouping: &[i64]) -> bool {
        !self.leaving && !regrouping.contains(&self.lane.track)
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
