//! What a newcomer sees: one line per step, completed in place on a terminal, plain lines anywhere else.

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use tokio::time::Instant;

use super::{Endpoints, RunFolder};
use crate::servers::Say;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const FAINT: Style = Style::new().dimmed();
const STRONG: Style = Style::new().bold();
const REDRAW: &str = "\r\x1b[2K";

#[derive(Clone)]
pub struct Console {
    is_live: bool,
    /// Whether the last line is a step that is still going on.
    is_open: Arc<Mutex<bool>>,
}

/// A step that is going on.
pub(super) struct Step<'a> {
    console: &'a Console,
    started: Instant,
}

impl Console {
    pub(super) fn new() -> Self {
        Self { is_live: std::io::stdout().is_terminal(), is_open: Arc::default() }
    }

    pub(super) fn step(&self, what: &str) -> Step<'_> {
        self.open(what);
        Step { console: self, started: Instant::now() }
    }

    pub(super) fn note(&self, line: &str) {
        self.close(&format!("{FAINT}·{FAINT:#} {line}\n"));
    }

    pub(super) fn fault(&self, line: &str) {
        self.close(&format!("{BAD}✗{BAD:#} {line}\n"));
    }

    /// Notes of the code that fetches and starts servers; each may take a while.
    pub(super) fn say(&self) -> Say {
        let console = self.clone();
        Arc::new(move |line| console.open(line))
    }

    pub(super) fn ready(&self, endpoints: &Endpoints, folder: &RunFolder) {
        let (url, env) = (&endpoints.url, folder.env_file());
        let logs = folder.log("*");
        self.close(&format!("\n{STRONG}Keepsake runs at {url}{STRONG:#}\n"));
        self.close(&format!("  in another terminal: source {}\n", env.display()));
        self.close(&format!("  logs: {}\n  Ctrl-C stops everything\n", logs.display()));
    }

    fn open(&self, what: &str) {
        if self.is_live {
            self.close(&format!("{FAINT}… {what}{FAINT:#}"));
            *self.is_open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        } else {
            self.close(&format!("… {what}\n"));
        }
    }

    /// Writes over the open step, if there is one.
    fn close(&self, text: &str) {
        let mut is_open = self.is_open.lock().unwrap_or_else(PoisonError::into_inner);
        let redraw = if std::mem::take(&mut *is_open) { REDRAW } else { "" };
        let mut out = anstream::stdout().lock();
        // Nobody reads what we print any more; that is no reason to end.
        let _closed = write!(out, "{redraw}{text}").and_then(|()| out.flush());
    }
}

impl Step<'_> {
    pub(super) fn done(self, result: &str) {
        let took = seconds(self.started.elapsed());
        self.console.close(&format!("{GOOD}✓{GOOD:#} {result} {FAINT}({took}){FAINT:#}\n"));
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
