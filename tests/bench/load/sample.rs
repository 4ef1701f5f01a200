//! What one timed window showed.

use std::fmt;

use super::Window;
use super::connection::{Answered, Heard};
use crate::figures::{count, micros, ms, percentile};

#[derive(Debug)]
pub(crate) struct Sample {
    /// Requests accepted per second of the window.
    pub(crate) rate: f64,
    /// Of the requests that count, ascending.
    took_micros: Vec<u32>,
    /// The longest time in the window in which nobody was answered.
    pub(crate) longest_pause_ms: f64,
    /// Accepted in all, warm-up and drain included.
    pub(crate) accepted: u64,
    /// Answers that said to come again.
    pub(crate) overloaded: u64,
}

impl Sample {
    /// Latencies of what was answered within the window.
    pub(super) fn by_answer(window: Window, heard: Vec<Heard>) -> Self {
        Self::of(window, heard, |answered| answered.at)
    }

    /// Latencies of what was due within the window, whenever it was answered.
    pub(super) fn by_schedule(window: Window, heard: Vec<Heard>) -> Self {
        Self::of(window, heard, |answered| answered.at.saturating_sub(answered.took))
    }

    fn of(window: Window, heard: Vec<Heard>, counted_at: impl Fn(&Answered) -> u32) -> Self {
        let within = micros(window.opens - window.starts)..micros(window.closes - window.starts);
        let overloaded = heard.iter().map(|heard| heard.overloaded).sum();
        let all: Vec<Answered> = heard.into_iter().flat_map(|heard| heard.answered).collect();
        let counted = all.iter().filter(|answered| within.contains(&counted_at(answered)));
        let mut took_micros: Vec<u32> = counted.map(|answered| answered.took).collect();
        took_micros.sort_unstable();
        let mut answers: Vec<u32> = all.iter().map(|answered| answered.at).filter(|at| within.contains(at)).collect();
        let rate = count(answers.len()) / (window.closes - window.opens).as_secs_f64();
        answers.extend([within.start, within.end]);
        answers.sort_unstable();
        let longest_pause = answers.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
        Self { rate, took_micros, longest_pause_ms: ms(longest_pause), accepted: all.len() as u64, overloaded }
    }

    /// Milliseconds that `permille` of a thousand requests did not exceed.
    pub(crate) fn percentile_ms(&self, permille: usize) -> Option<f64> {
        percentile(&self.took_micros, permille).map(ms)
    }
}

/// As a line of progress tells it.
impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99] = [500, 990].map(|permille| self.percentile_ms(permille).unwrap_or_default());
        write!(f, "{:.0}/s, p50 {p50:.2} ms, p99 {p99:.2} ms", self.rate)?;
        if self.overloaded > 0 {
            write!(f, ", told to come again {} times", self.overloaded)?;
        }
        Ok(())
    }
}
