//! Waiting until a generation is where the log is.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use projection_workers::rebuild::{Built, built};
use tokio::time::MissedTickBehavior;
use tokio_postgres::Client;

use crate::progress::Progress;

const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Before anybody is told that nobody folds it: workers look for lanes every second.
const UNHELD: Duration = Duration::from_secs(8);

/// What is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Building<'a> {
    pub(super) projection: &'a str,
    pub(super) number: i32,
}

/// What was in the log this long ago is to be folded: it grows all the time.
const A_MOMENT: Duration = Duration::from_secs(2);

/// Returns once everything that was in the log a moment ago is folded into the generation. It may be left and waited for again:
/// others fold.
pub(super) async fn catch_up(
    writer: &Client,
    log: &async_nats::Client,
    Building { projection, number }: Building<'_>,
) -> anyhow::Result<Duration> {
    let mut watch = Watch::start();
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ends = VecDeque::new();
    loop {
        ticks.tick().await;
        let end = event_log::stream::info(log).await?.last_position;
        ends.push_back((Instant::now(), end));
        while ends.len() > 1 && ends[1].0.elapsed() >= A_MOMENT {
            ends.pop_front();
        }
        let wanted = ends[0].1;
        let all = built(writer).await?;
        let one = all.iter().find(|one| one.generation == number);
        let one = one.with_context(|| format!("generation {number} of {projection} was dropped"))?;
        watch.show(one, end);
        if one.position.cast_unsigned() >= wanted {
            return Ok(watch.finish());
        }
    }
}

/// What somebody who waits sees.
struct Watch {
    progress: Option<Progress>,
    last_held: Instant,
}

impl Watch {
    fn start() -> Self {
        Self { progress: None, last_held: Instant::now() }
    }

    fn show(&mut self, one: &Built, end: u64) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a mean of positions, for people to look at"
        )]
        let folded = one.mean_position as u64;
        // What an earlier wait has seen is no speed of this one.
        let progress = self.progress.get_or_insert_with(|| Progress::start("commits", folded, end));
        let now = Instant::now();
        if one.lanes_held > 0 {
            self.last_held = now;
        }
        let message = match (now - self.last_held > UNHELD, one.parked_guests) {
            (true, _) => "no worker folds it: start projection-workers of this version".to_owned(),
            (false, 0) => String::new(),
            (false, parked) => format!("{parked} guests parked"),
        };
        progress.at(folded, end, &message);
    }

    fn finish(&self) -> Duration {
        self.progress.as_ref().map(Progress::finish).unwrap_or_default()
    }
}
