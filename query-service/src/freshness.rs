//! `X-Min-Position`: requests wait until the read models are as far as their caller. All of them share one look at the checkpoints,
//! which is taken when there is news, and now and then without.

use std::time::Duration;

use axum::http::HeaderMap;
use deadpool_postgres::Pool;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::Fault;
use crate::news::News;
use crate::position::Position;
use crate::read::{Progress, Reach, progress};

pub(crate) const MIN_POSITION_HEADER: &str = "X-Min-Position";
pub(crate) const WAIT_HEADER: &str = "X-Wait-Ms";
const DEFAULT_WAIT_MS: u64 = 2_000;
pub(crate) const MAX_WAIT_MS: u64 = 10_000;
/// Between two looks at the checkpoints while somebody waits, however much news there is.
const PAUSE: Duration = Duration::from_millis(5);
/// The same without news: what is announced may not be there yet where it is read, and an announcement may be lost.
const PAUSE_WITHOUT_NEWS: Duration = Duration::from_millis(50);
/// The same while the database does not answer.
const PAUSE_AFTER_FAULT: Duration = Duration::from_millis(200);

/// How fresh an answer must be, and how long its caller is willing to wait for that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AtLeast {
    position: Position,
    wait: Duration,
}

impl AtLeast {
    /// Reads both headers; without them any position will do.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Fault> {
        let position = single(headers, MIN_POSITION_HEADER)?.map(str::parse).transpose();
        let position = position.map_err(|_| Fault::Position("X-Min-Position takes a consistency token: 0.1234"))?;
        let wait_ms = single(headers, WAIT_HEADER)?.map(str::parse).transpose();
        let wait_ms = wait_ms.ok().filter(|wait_ms| wait_ms.is_none_or(|wait_ms| wait_ms <= MAX_WAIT_MS));
        let wait_ms = wait_ms.ok_or(Fault::Position("X-Wait-Ms takes milliseconds, 0 to 10000"))?;
        let wait = Duration::from_millis(wait_ms.unwrap_or(DEFAULT_WAIT_MS));
        Ok(Self { position: position.unwrap_or_default(), wait })
    }

    /// Begins now.
    pub(crate) fn patience(self) -> Patience {
        Patience { position: self.position, until: Instant::now() + self.wait }
    }
}

/// What one request waits for, and until when, however often it has to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) position: Position,
    until: Instant,
}

fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Fault> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().ok().filter(|_| values.next().is_none());
    text.map(Some).ok_or(Fault::Position("X-Min-Position and X-Wait-Ms are given once each, in ASCII"))
}

/// What is known of the read models' progress, and how many requests wait to know more.
pub(crate) struct Freshness {
    known: watch::Sender<Progress>,
    waiting: watch::Sender<usize>,
    news: News,
    stop: CancellationToken,
}

impl Freshness {
    pub(crate) fn new(news: News, stop: CancellationToken) -> Self {
        Self { known: watch::Sender::default(), waiting: watch::Sender::default(), news, stop }
    }

    /// Returns once everything in `reach` is that far; gives up when the caller's patience, or the process, ends.
    pub(crate) async fn wait(&self, reach: &Reach, Patience { position, until }: Patience) -> Result<(), Fault> {
        if position == Position::default() {
            return Ok(());
        }
        let far_enough = |known: &Progress| known.reached(reach) >= position;
        if far_enough(&self.known.borrow()) {
            return Ok(());
        }
        let _waiter = Waiter::enter(&self.waiting);
        let mut known = self.known.subscribe();
        tokio::select! {
            () = self.stop.cancelled() => Err(Fault::Behind),
            waited = tokio::time::timeout_at(until, known.wait_for(far_enough)) => {
                waited.map(|_| ()).map_err(|_| Fault::Behind)
            }
        }
    }

    /// The refusal of a read that saw less than was waited for: what the poller had seen was taken back since, by a rebuild. The
    /// next request waits again.
    pub(crate) fn taken_back(&self) -> Fault {
        self.known.send_replace(Progress::default());
        Fault::Behind
    }

    /// Looks at the checkpoints while anybody waits, sleeps while nobody does.
    pub(crate) async fn follow(&self, pool: &Pool) {
        let mut waiting = self.waiting.subscribe();
        let looks = async {
            while waiting.wait_for(|count| *count > 0).await.is_ok() {
                tokio::time::sleep(self.look(pool).await).await;
                self.something_new(&mut waiting).await;
            }
        };
        self.stop.run_until_cancelled(looks).await;
    }

    /// Returns when there may be something else to see, or somebody else to look for.
    async fn something_new(&self, waiting: &mut watch::Receiver<usize>) {
        let longest = if self.news.is_heard() { PAUSE_WITHOUT_NEWS } else { PAUSE };
        tokio::select! {
            () = self.news.any().notified() => {}
            _ = waiting.changed() => {}
            () = tokio::time::sleep(longest) => {}
        }
    }

    /// Publishes the checkpoints and says how long to pause.
    async fn look(&self, pool: &Pool) -> Duration {
        match progress(pool).await {
            Ok(known) => {
                self.known.send_replace(known);
                PAUSE
            }
            Err(fault) => {
                tracing::warn!(error = &fault as &dyn std::error::Error, "the checkpoints cannot be read");
                PAUSE_AFTER_FAULT
            }
        }
    }
}

/// Counts one waiting request for as long as it lives, however it ends.
struct Waiter<'a>(&'a watch::Sender<usize>);

impl<'a> Waiter<'a> {
    fn enter(waiting: &'a watch::Sender<usize>) -> Self {
        waiting.send_modify(|count| *count += 1);
        Self(waiting)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_least(headers: &[(&'static str, &'static str)]) -> Option<AtLeast> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().expect("a header value"));
        }
        AtLeast::of(&map).ok()
    }

    #[test]
    fn without_headers_any_position_will_do() {
        let two_seconds = Duration::from_secs(2);
        assert_eq!(at_least(&[]), Some(AtLeast { position: Position(0), wait: two_seconds }));
    }

    #[test]
    fn both_headers_are_read() {
        let asked = at_least(&[("x-min-position", "0.17"), ("x-wait-ms", "10000")]);
        assert_eq!(asked, Some(AtLeast { position: Position(17), wait: Duration::from_secs(10) }));
    }

    #[test]
    fn malformed_and_doubled_headers_are_refused() {
        for headers in [
            [("x-min-position", "17"), ("x-wait-ms", "1")],
            [("x-min-position", "0.17"), ("x-min-position", "0.18")],
            [("x-min-position", "0.17"), ("x-wait-ms", "10001")],
            [("x-min-position", "0.17"), ("x-wait-ms", "-1")],
        ] {
            assert_eq!(at_least(&headers), None, "{headers:?}");
        }
    }
}
