//! Tells a slow request head from an idle connection, for which hyper has one timeout.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use hyper_util::rt::TokioTimer;
use tokio::io::AsyncRead;
use tokio_util::io::InspectReader;

use super::raw_head::RawHead;

/// The timer of one connection.
///
/// hyper begins to wait for a head as soon as the last answer is out. A short timeout would close idle connections under the
/// hands of their callers, a long one would let a head trickle in byte by byte. So hyper is given the long one, and the wait
/// shrinks to `head_limit` with the first byte that comes.
pub(super) struct HeadTimer {
    head_limit: Duration,
    /// Whether hyper has waited for a head before.
    used: AtomicBool,
    /// Whether anything came since hyper began to wait.
    heard: Arc<AtomicBool>,
    raw_head: Arc<RawHead>,
}

impl HeadTimer {
    pub(super) fn new(head_limit: Duration) -> Self {
        Self { head_limit, used: AtomicBool::new(false), heard: Arc::default(), raw_head: Arc::default() }
    }

    /// The head that hyper waits for, or has read last.
    pub(super) fn raw_head(&self) -> Arc<RawHead> {
        Arc::clone(&self.raw_head)
    }

    /// The stream, from which the timer now hears when something comes.
    pub(super) fn listen<S: AsyncRead>(&self, stream: S) -> InspectReader<S, impl FnMut(&[u8]) + use<S>> {
        let (heard, raw_head) = (Arc::clone(&self.heard), self.raw_head());
        InspectReader::new(stream, move |bytes| {
            heard.store(true, Ordering::Relaxed);
            raw_head.read(bytes);
        })
    }
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        TokioTimer::new().sleep(duration)
    }

    /// hyper calls this when it begins to wait for a head, and drops the wait when the head is complete.
    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        // Who opens a connection has something to ask: only between requests may it be silent.
        let is_first = !self.used.swap(true, Ordering::Relaxed);
        self.heard.store(is_first, Ordering::Relaxed);
        self.raw_head.begin();
        let end = TokioTimer::new().sleep_until(deadline);
        Box::pin(HeadWait { end, head_limit: Some(self.head_limit), heard: Arc::clone(&self.heard) })
    }
}

struct HeadWait {
    end: Pin<Box<dyn Sleep>>,
    /// Taken when the head begins.
    head_limit: Option<Duration>,
    heard: Arc<AtomicBool>,
}

impl Sleep for HeadWait {}

impl Future for HeadWait {
    type Output = ();

    /// hyper polls after every read that leaves the head incomplete.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.heard.load(Ordering::Relaxed)
            && let Some(limit) = self.head_limit.take()
        {
            self.end = TokioTimer::new().sleep(limit);
        }
        self.end.as_mut().poll(context)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::io::AsyncReadExt as _;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);
    /// After this long a test has failed.
    const DEADLINE: Duration = Duration::from_secs(20);

    fn wait(timer: &HeadTimer) -> Pin<Box<dyn Sleep>> {
        timer.sleep_until(Instant::now() + HOUR)
    }

    #[tokio::test]
    async fn a_new_connection_has_as_long_as_a_head_may_take() {
        let wait = wait(&HeadTimer::new(Duration::ZERO));
        tokio::time::timeout(DEADLINE, wait).await.unwrap();
    }

    #[tokio::test]
    async fn a_used_connection_may_be_idle_until_a_head_begins() {
        let timer = HeadTimer::new(Duration::ZERO);
        let mut stream = timer.listen(&b"GET"[..]);
        drop(wait(&timer));
        let mut wait = wait(&timer);
        assert!(wait.as_mut().now_or_never().is_none());
        stream.read_u8().await.unwrap();
        tokio::time::timeout(DEADLINE, wait).await.unwrap();
    }
}
