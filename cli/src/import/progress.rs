//! The progress bar, or plain lines where nobody looks at a terminal.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const REDRAWS_PER_SECOND: u8 = 10;
const PLAIN_LINE_EVERY: Duration = Duration::from_secs(5);
const TEMPLATE: &str = "{bar:30.cyan/blue} {pos}/{len} lines  {per_sec}  ETA {eta}  {msg}";

pub(super) struct Progress {
    bar: ProgressBar,
    started: Instant,
    last_line: Instant,
    plain: bool,
}

impl Progress {
    pub(super) fn start(lines: u64, resumed_from: u64) -> Self {
        let plain = !std::io::stderr().is_terminal();
        let target =
            if plain { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_SECOND) };
        let bar = ProgressBar::with_draw_target(Some(lines), target).with_position(resumed_from);
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        bar.reset_eta();
        if resumed_from > 0 {
            anstream::eprintln!("going on after line {resumed_from}, where the last import stopped");
        }
        Self { bar, started: Instant::now(), last_line: Instant::now(), plain }
    }

    pub(super) fn advance(&mut self, counts: &str) {
        self.bar.inc(1);
        if self.plain {
            if self.last_line.elapsed() >= PLAIN_LINE_EVERY {
                self.last_line = Instant::now();
                let (done, all) = (self.bar.position(), self.bar.length().unwrap_or_default());
                anstream::eprintln!("{done}/{all} lines  {counts}");
            }
        } else {
            self.bar.set_message(counts.to_owned());
        }
    }

    /// Says something above the bar.
    pub(super) fn note(&self, text: &str) {
        if self.plain { anstream::eprintln!("{text}") } else { self.bar.println(text) }
    }

    pub(super) fn finish(&self) -> Duration {
        self.bar.finish_and_clear();
        self.started.elapsed()
    }
}
