//! News of what was folded, as the workers announce it: whoever waits for rows is woken when there may be some.

use std::array;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::select_all;
use runtime::config::Secret;
use schema::Partitions;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// While the primary is away everybody is woken that often, and looks for themselves.
const AWAY: Duration = Duration::from_secs(1);
/// News of the primary may come before the rows to a replica: it is told again this much later.
const ECHOES: [Duration; 3] = [Duration::from_millis(50), Duration::from_millis(250), Duration::from_secs(1)];

/// What is heard, for those who wait. Cheap to clone.
#[derive(Clone)]
pub(crate) struct News(Arc<Heard>);

struct Heard {
    /// Of each partition.
    folded: [Arc<Notify>; 64],
    any: Notify,
    is_listening: AtomicBool,
    /// What is read is a replica of what announces.
    is_ahead: bool,
}

impl News {
    /// News of the database that is read, or of one that `is_ahead` of it.
    pub(crate) fn new(is_ahead: bool) -> Self {
        let folded = array::from_fn(|_| Arc::default());
        Self(Arc::new(Heard { folded, any: Notify::new(), is_listening: AtomicBool::new(false), is_ahead }))
    }

    /// Something was folded, or a lane has come further. For one who waits, who is told what it missed meanwhile, once.
    pub(crate) fn any(&self) -> &Notify {
        &self.0.any
    }

    /// Ends when rows of one of these partitions are folded from now on, whether it is waited for yet or not; there is at least one.
    pub(crate) fn folded(&self, partitions: &[i16]) -> impl Future<Output = ()> + Send + Unpin + use<> {
        let notify = |pp: &i16| self.0.folded.get(usize::try_from(*pp).ok()?);
        let folded = partitions.iter().filter_map(notify).map(|folded| {
            let mut folded = Box::pin(Arc::clone(folded).notified_owned());
            folded.as_mut().enable();
            folded
        });
        select_all(folded).map(drop)
    }

    /// Whether news would be heard now.
    pub(crate) fn is_heard(&self) -> bool {
        self.0.is_listening.load(Ordering::Relaxed)
    }

    /// Listens on the primary until `stop`.
    pub(crate) async fn follow(self, primary: Secret, stop: CancellationToken) -> anyhow::Result<()> {
        let listening = async {
            loop {
                let ended = schema::listen(&primary, |partitions| self.hear(partitions)).await;
                if self.0.is_listening.swap(false, Ordering::Relaxed) || ended.is_err() {
                    let error = ended.err().map(|error| error.to_string()).unwrap_or_default();
                    tracing::warn!(error, "what is folded is not heard of: it is looked for now and then");
                }
                self.tell(Partitions::ALL);
                tokio::time::sleep(AWAY).await;
            }
        };
        stop.run_until_cancelled(listening).await;
        Ok(())
    }

    fn hear(&self, partitions: Partitions) {
        self.0.is_listening.store(true, Ordering::Relaxed);
        self.tell(partitions);
        for echo in ECHOES.into_iter().filter(|_| self.0.is_ahead) {
            let news = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(echo).await;
                news.tell(partitions);
            });
        }
    }

    fn tell(&self, partitions: Partitions) {
        for (pp, folded) in (0..).zip(&self.0.folded) {
            if partitions.contains(pp) {
                folded.notify_waiters();
            }
        }
        self.0.any.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn news_of_a_primary_is_told_again_while_its_replica_catches_up() {
        let primary = News::new(true);
        let begin = tokio::time::Instant::now();
        let first = primary.folded(&[7]);
        primary.hear([7].into_iter().collect());
        first.await;
        for echo in ECHOES {
            primary.folded(&[7]).await;
            assert_eq!(begin.elapsed(), echo);
        }
        let own = News::new(false);
        own.hear([7].into_iter().collect());
        assert!(tokio::time::timeout(AWAY * 2, own.folded(&[7])).await.is_err(), "it is told once");
    }
}
