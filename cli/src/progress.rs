//! A progress bar, or now and then a plain line where nobody looks at a terminal.

use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

const REDRAWS_PER_SECOND: u8 = 10;
const PLAIN_LINE_EVERY: Duration = Duration::from_secs(5);

pub(crate) struct Progress {
    bar: ProgressBar,
    /// What is counted, in the plural.
    unit: &'static str,
    started: Instant,
    last_line: Mutex<Instant>,
    plain: bool,
}

impl Progress {
    /// Begins at `from` of `all`; what came before is no speed.
    pub(crate) fn start(unit: &'static str, from: u64, all: u64) -> Self {
        let plain = !std::io::stderr().is_terminal();
        let target =
            if plain { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_SECOND) };
        let bar = ProgressBar::with_draw_target(Some(all), target).with_position(from);
        let template = format!("{{bar:30.cyan/blue}} {{pos}}/{{len}} {unit}  {{rate}}/s  ETA {{eta}}  {{msg}}");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style.with_key("rate", whole));
        }
        bar.reset_eta();
        Self { bar, unit, started: Instant::now(), last_line: Mutex::new(Instant::now()), plain }
    }

    /// So far it is.
    pub(crate) fn at(&self, done: u64, all: u64, message: &str) {
        self.bar.set_length(all.max(done));
        self.bar.set_position(done);
        self.tell(message);
    }

    /// One more is done.
    pub(crate) fn advance(&self, message: &str) {
        self.bar.inc(1);
        self.tell(message);
    }

    /// What it is doing.
    pub(crate) fn tell(&self, message: &str) {
        if !self.plain {
            self.bar.set_message(message.to_owned());
            return;
        }
        let mut last = self.last_line.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if last.elapsed() >= PLAIN_LINE_EVERY {
            *last = Instant::now();
            let (done, all, unit) = (self.bar.position(), self.bar.length().unwrap_or_default(), self.unit);
            anstream::eprintln!("{done}/{all} {unit}  {message}");
        }
    }

    /// Says something above the bar.
    pub(crate) fn note(&self, text: &str) {
        if self.plain { anstream::eprintln!("{text}") } else { self.bar.println(text) }
    }

    /// Takes the bar away and says how long it took.
    pub(crate) fn finish(&self) -> Duration {
        self.bar.finish_and_clear();
        self.started.elapsed()
    }
}

/// A rate without decimals.
fn whole(state: &ProgressState, to: &mut dyn std::fmt::Write) {
    write!(to, "{:.0}", state.per_sec()).expect("a bar takes any text");
}
