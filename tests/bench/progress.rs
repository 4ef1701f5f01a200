//! What a person sees while it is measured: a bar over all measurements, a line for each; plain lines where nobody looks.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio_util::task::AbortOnDropHandle;

const REDRAW: Duration = Duration::from_millis(200);
const MEASURING: &str = "{bar:30.cyan/blue} {pos}/{len} measurements  ETA {eta}  {msg}";
const FILLING: &str = "{bar:30.green/blue} {pos}/{len} {msg}  {per_sec}  ETA {eta}";

pub(crate) struct Progress {
    bars: MultiProgress,
    measurements: ProgressBar,
    plain: bool,
}

impl Progress {
    pub(crate) fn start(measurements: u64) -> Self {
        let plain = !std::io::stderr().is_terminal();
        let target = if plain { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bars = MultiProgress::with_draw_target(target);
        let measurements = bars.add(styled(ProgressBar::new(measurements), MEASURING));
        Self { bars, measurements, plain }
    }

    /// What is measured from now on. The bar stands still meanwhile: drawing takes the processor too.
    pub(crate) fn measuring(&self, what: &str) {
        self.measurements.set_message(what.to_owned());
    }

    /// A measurement nobody reckoned with.
    pub(crate) fn one_more(&self) {
        self.measurements.inc_length(1);
    }

    pub(crate) fn measured(&self, line: &str) {
        self.measurements.inc(1);
        self.say(line);
    }

    /// Says a line above the bars.
    pub(crate) fn say(&self, line: &str) {
        if self.plain {
            eprintln!("{line}");
        } else {
            // A terminal that cannot be written to shows nothing anyway.
            let _unseen = self.bars.println(line);
        }
    }

    /// A bar for work that comes before a measurement; gone when it is dropped.
    pub(crate) fn filling(&self, what: &str, requests: u64) -> Filling {
        if self.plain {
            eprintln!("{what}: {requests}");
        }
        let bar = self.bars.insert_before(&self.measurements, styled(ProgressBar::new(requests), FILLING));
        bar.set_message(what.to_owned());
        let done = Arc::new(AtomicU64::new(0));
        let (drawn, counted) = (bar.clone(), Arc::clone(&done));
        let drawing = tokio::spawn(async move {
            loop {
                drawn.set_position(counted.load(Ordering::Relaxed));
                tokio::time::sleep(REDRAW).await;
            }
        });
        Filling { bar, done, _drawing: AbortOnDropHandle::new(drawing) }
    }

    pub(crate) fn finish(&self) {
        self.measurements.finish_and_clear();
    }
}

pub(crate) struct Filling {
    bar: ProgressBar,
    done: Arc<AtomicU64>,
    _drawing: AbortOnDropHandle<()>,
}

impl Filling {
    /// Counted by whoever does the work.
    pub(crate) fn done(&self) -> &Arc<AtomicU64> {
        &self.done
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
