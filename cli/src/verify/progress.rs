//! The progress bar of a verification, or plain lines where nobody looks at a terminal.

use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use projection_workers::Progress as Step;

const REDRAWS_PER_SECOND: u8 = 10;
const PLAIN_LINE_EVERY: Duration = Duration::from_secs(5);
const TEMPLATE: &str = "{bar:30.cyan/blue} {pos}/{len} commits  {per_sec}  ETA {eta}  {msg}";

pub(super) struct Progress {
    bar: ProgressBar,
    started: Instant,
    last_line: Mutex<Instant>,
    plain: bool,
}

impl Progress {
    pub(super) fn start() -> Self {
        let plain = !std::io::stderr().is_terminal();
        let target =
            if plain { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_SECOND) };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        Self { bar, started: Instant::now(), last_line: Mutex::new(Instant::now()), plain }
    }

    pub(super) fn step(&self, step: Step) {
        match step {
            Step::Reading { read, of } => {
                self.bar.set_length(of);
                self.bar.set_position(read);
                self.bar.set_message("counting");
                self.line(&format!("{read}/{of} commits counted"));
            }
            Step::Folding { owners } => {
                self.bar.set_message(format!("folding {owners} owners again"));
                self.line(&format!("folding {owners} owners again"));
            }
        }
    }

    /// Now and then a line where there is no bar.
    fn line(&self, text: &str) {
        let mut last = self.last_line.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if self.plain && last.elapsed() >= PLAIN_LINE_EVERY {
            *last = Instant::now();
            anstream::eprintln!("{text}");
        }
    }

    pub(super) fn finish(&self) -> Duration {
        self.bar.finish_and_clear();
        self.started.elapsed()
    }
}
