//! Where an issuer's keys come from: asked again now and then, and when a token names one that is not known.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::keys::{Algorithm, Keys};
use crate::http_client::HttpClient;

const TIMEOUT: Duration = Duration::from_secs(3);
/// A key that was withdrawn is known for at most that long where the issuer answers.
const FRESH: Duration = Duration::from_mins(10);
/// A flood of tokens with made-up key ids must not become one of questions.
const BETWEEN_QUESTIONS: Duration = Duration::from_secs(10);
/// Keys of an issuer that does not answer are good for that long.
const STALE: Duration = Duration::from_hours(24);

/// The place an issuer publishes its keys at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Url(String),
    File(PathBuf),
}

/// The keys cannot be had now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unavailable;

pub(super) struct KeySource(Arc<Source>);

struct Source {
    place: Place,
    http: HttpClient,
    known: RwLock<Known>,
    /// When the issuer was last asked. Held while it is: everybody else does with what is known, or waits for the answer.
    asked: Arc<Mutex<Option<Instant>>>,
}

#[derive(Clone, Default)]
struct Known {
    keys: Arc<Keys>,
    since: Option<Instant>,
}

impl Known {
    fn is_younger_than(&self, age: Duration) -> bool {
        self.since.is_some_and(|since| since.elapsed() < age)
    }
}

impl KeySource {
    pub(super) fn new(place: Place, http: HttpClient) -> Self {
        Self(Arc::new(Source { place, http, known: RwLock::default(), asked: Arc::default() }))
    }

    /// The keys, with the one of this id if the issuer has it.
    pub(super) async fn keys(&self, key_id: &str, algorithm: Algorithm) -> Result<Arc<Keys>, Unavailable> {
        let known = self.0.known();
        let has_it = known.keys.has(key_id, algorithm);
        if has_it && known.is_younger_than(FRESH) {
            return Ok(known.keys);
        }
        if has_it && known.is_younger_than(STALE) {
            // Nobody need wait for what is there.
            if let Ok(asked) = Arc::clone(&self.0.asked).try_lock_owned() {
                let _ends_within_its_timeouts = Source::ask(&self.0, asked);
            }
            return Ok(known.keys);
        }
        self.keys_anew().await
    }

    /// The keys as the issuer has them now, if it was not asked a moment ago: after a signature that none of those known made, a key
    /// may have been replaced under its id.
    pub(super) async fn keys_anew(&self) -> Result<Arc<Keys>, Unavailable> {
        let asked = Arc::clone(&self.0.asked).lock_owned().await;
        if let Some(asking) = Source::ask(&self.0, asked)
            && let Err(error) = asking.await
        {
            tracing::error!(%error, "asking for an issuer's keys has panicked");
        }
        let known = self.0.known();
        if known.is_younger_than(STALE) { Ok(known.keys) } else { Err(Unavailable) }
    }

    /// The longest a question may take: for the head of the answer, and for the rest.
    pub(super) fn timeout() -> Duration {
        TIMEOUT
    }
}

impl Source {
    fn known(&self) -> Known {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks in a task of its own: whoever waits may hang up, and the answer is everybody's.
    fn ask(self: &Arc<Self>, mut asked: OwnedMutexGuard<Option<Instant>>) -> Option<JoinHandle<()>> {
        if asked.is_some_and(|at| at.elapsed() < BETWEEN_QUESTIONS) {
            return None;
        }
        *asked = Some(Instant::now());
        let source = Arc::clone(self);
        Some(tokio::spawn(async move {
            let _others_wait = asked;
            match source.fetch().await {
                Ok(keys) => {
                    let known = Known { keys: Arc::new(keys), since: Some(Instant::now()) };
                    *source.known.write().unwrap_or_else(PoisonError::into_inner) = known;
                }
                Err(reason) => tracing::warn!(place = ?source.place, reason, "an issuer's keys cannot be had"),
            }
        }))
    }

    async fn fetch(&self) -> Result<Keys, String> {
        let json = match &self.place {
            Place::Url(url) => {
                let answer = self.http.get(url, &[]).await.map_err(|error| error.to_string())?;
                if !answer.status.is_success() {
                    return Err(format!("answered {}", answer.status));
                }
                answer.body.to_vec()
            }
            Place::File(path) => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || std::fs::read(path)).await;
                read.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?
            }
        };
        // A key set without keys is an answer: whoever withdraws all of them means it.
        Keys::parse(&json).ok_or_else(|| "no key set".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use futures_util::FutureExt as _;
    use tempfile::TempDir;
    use tokio::time::advance;

    use super::*;

    const ED25519: Algorithm = Algorithm::EdDsa;
    const SECOND: Duration = Duration::from_secs(1);
    /// By a clock that is not paused.
    const DEADLINE: Duration = Duration::from_secs(20);

    fn publish(file: &Path, key_ids: &[&str]) {
        let key = |id: &&str| format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"{id}","x":"{}"}}"#, "A".repeat(43));
        let keys: Vec<String> = key_ids.iter().map(key).collect();
        std::fs::write(file, format!(r#"{{"keys":[{}]}}"#, keys.join(","))).unwrap();
    }

    fn source(key_ids: &[&str]) -> (TempDir, PathBuf, KeySource) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.json");
        publish(&file, key_ids);
        let source = KeySource::new(Place::File(file.clone()), HttpClient::new(TIMEOUT));
        (folder, file, source)
    }

    async fn has(source: &KeySource, key_id: &str) -> bool {
        source.keys(key_id, ED25519).await.is_ok_and(|keys| keys.has(key_id, ED25519))
    }

    /// It is asked for beside the first question.
    async fn until_unknown(source: &KeySource, key_id: &str) {
        let give_up = std::time::Instant::now() + DEADLINE;
        while has(source, key_id).await {
            assert!(std::time::Instant::now() < give_up, "it is known for ever");
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_key_is_asked_for_at_once_and_a_made_up_one_no_more_than_every_ten_seconds() {
        let (_folder, file, source) = source(&["a"]);
        assert!(has(&source, "a").await);
        advance(BETWEEN_QUESTIONS).await;
        publish(&file, &["a", "b"]);
        assert!(has(&source, "b").await, "rotation needs no restart");
        publish(&file, &["a", "b", "c"]);
        for made_up in ["x", "y", "c"] {
            assert!(!has(&source, made_up).await, "the issuer was asked again at once");
        }
        advance(BETWEEN_QUESTIONS).await;
        assert!(has(&source, "c").await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_is_withdrawn_is_known_for_ten_minutes_at_most() {
        let (_folder, file, source) = source(&["a", "b"]);
        assert!(has(&source, "a").await);
        publish(&file, &["b"]);
        advance(FRESH.saturating_sub(SECOND)).await;
        assert!(has(&source, "a").await);
        advance(SECOND).await;
        until_unknown(&source, "a").await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_issuer_that_withdraws_all_keys_is_believed() {
        let (_folder, file, source) = source(&["a"]);
        assert!(has(&source, "a").await);
        publish(&file, &[]);
        advance(FRESH).await;
        until_unknown(&source, "a").await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_hangs_up_while_the_issuer_is_asked_keeps_nobody_else_from_the_answer() {
        let (_folder, _file, source) = source(&["a"]);
        assert!(source.keys("a", ED25519).now_or_never().is_none(), "it was asked");
        assert!(has(&source, "a").await, "and is not asked again");
    }

    #[tokio::test(start_paused = true)]
    async fn an_issuer_that_is_away_is_trusted_for_a_day() {
        let (_folder, file, source) = source(&["a"]);
        assert!(has(&source, "a").await);
        std::fs::remove_file(&file).unwrap();
        advance(STALE.saturating_sub(SECOND)).await;
        assert!(has(&source, "a").await);
        assert!(!has(&source, "b").await, "who has never been seen is refused");
        advance(SECOND).await;
        assert_eq!(source.keys("a", ED25519).await.err(), Some(Unavailable));
        publish(&file, &["a"]);
        advance(BETWEEN_QUESTIONS).await;
        assert!(has(&source, "a").await, "and is back when it answers");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_key_set_changes_nothing() {
        let (_folder, file, source) = source(&["a"]);
        assert!(has(&source, "a").await);
        for nonsense in ["", "<html>", "{}", "[]"] {
            std::fs::write(&file, nonsense).unwrap();
            advance(BETWEEN_QUESTIONS).await;
            let Ok(keys) = source.keys_anew().await else { panic!("they are not stale") };
            assert!(keys.has("a", ED25519), "{nonsense}");
        }
    }
}
