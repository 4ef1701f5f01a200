//! Many questions, one statement: whoever asks while a statement runs is answered by the next one.
//!
//! No task of its own: of those who wait, the first asks for a whole group and answers the others. A caller who asks alone
//! asks at once, and one statement is under way at a time. When the one who asks for the group is cancelled, the others'
//! questions are put back and the next asks again; so a question must mean the same when it is asked twice.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::vault::VaultError;

/// Questions one statement answers at most.
const GROUP_LIMIT: usize = 500;
/// Questions that may wait; beyond them a caller hears at once that it is too many.
const WAITING_LIMIT: usize = 10_000;
/// A caller is not kept longer, however many are ahead of it.
const WAIT: Duration = Duration::from_secs(12);

/// Only a group whose statement gave too few rows leaves a question so.
const UNANSWERED: VaultError = VaultError::Corrupt("fewer answers than questions");

/// Callers with questions of one kind.
pub(crate) struct Group<Q, A>(Mutex<Line<Q, A>>);

struct Line<Q, A> {
    /// Whether somebody has the baton.
    led: bool,
    waiting: VecDeque<Waiting<Q, A>>,
}

struct Waiting<Q, A> {
    question: Q,
    told: oneshot::Sender<Word<Q, A>>,
}

/// What one who waits is told.
enum Word<Q, A> {
    Answer(Result<A, VaultError>),
    /// To ask for the next group, the own question among it.
    Lead(Baton<Q, A>, Q),
}

/// The right to ask for a group; dropping it hands it on.
struct Baton<Q, A>(Arc<Group<Q, A>>);

/// Questions under way, the leader's own first.
struct Led<Q, A> {
    questions: Vec<Q>,
    /// Of all but the first.
    told: Vec<oneshot::Sender<Word<Q, A>>>,
    baton: Baton<Q, A>,
}

/// How a caller comes to its answer.
enum Place<Q, A> {
    Leader(Baton<Q, A>, Q),
    Follower(oneshot::Receiver<Word<Q, A>>),
}

impl<Q, A> Group<Q, A> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Line { led: false, waiting: VecDeque::new() })))
    }

    /// The answer to one question. `run` answers a group of them, in their order; it is called when this caller leads.
    pub(crate) async fn ask(
        self: &Arc<Self>,
        question: Q,
        run: impl AsyncFnOnce(&[Q]) -> Result<Vec<A>, VaultError>,
    ) -> Result<A, VaultError> {
        let (baton, question) = match self.enter(question)? {
            Place::Leader(baton, question) => (baton, question),
            // Given up, its question is not asked any more, and a baton it was just handed goes on to the next.
            Place::Follower(told) => match timeout(WAIT, told).await.map_err(|_| VaultError::Timeout)? {
                Ok(Word::Answer(answer)) => return answer,
                Ok(Word::Lead(baton, question)) => (baton, question),
                Err(_) => return Err(UNANSWERED),
            },
        };
        let led = Led::gather(baton, question);
        let outcome = run(&led.questions).await;
        led.answer(outcome)
    }

    fn enter(self: &Arc<Self>, question: Q) -> Result<Place<Q, A>, VaultError> {
        let mut line = self.line();
        if !line.led {
            line.led = true;
            return Ok(Place::Leader(Baton(Arc::clone(self)), question));
        }
        if line.waiting.len() >= WAITING_LIMIT {
            return Err(VaultError::Overloaded);
        }
        let (told, word) = oneshot::channel();
        line.waiting.push_back(Waiting { question, told });
        Ok(Place::Follower(word))
    }

    fn line(&self) -> MutexGuard<'_, Line<Q, A>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Q, A> Led<Q, A> {
    /// The leader's question and what else waits; who has gone away is not asked for.
    fn gather(baton: Baton<Q, A>, own: Q) -> Self {
        let mut line = baton.0.line();
        let count = line.waiting.len().min(GROUP_LIMIT - 1);
        let others = line.waiting.drain(..count).filter(|waiting| !waiting.told.is_closed());
        let (others, told): (Vec<Q>, _) = others.map(|waiting| (waiting.question, waiting.told)).unzip();
        drop(line);
        let questions = std::iter::once(own).chain(others).collect();
        Self { questions, told, baton }
    }

    /// Tells the others their answers, and returns the leader's own.
    fn answer(mut self, outcome: Result<Vec<A>, VaultError>) -> Result<A, VaultError> {
        let told = std::mem::take(&mut self.told);
        match outcome {
            Ok(answers) => {
                let mut answers = answers.into_iter();
                let own = answers.next();
                told.into_iter().zip(answers).for_each(|(told, answer)| tell(told, Ok(answer)));
                own.ok_or(UNANSWERED)
            }
            Err(error) => {
                told.into_iter().chain(self.given_up(&error)).for_each(|told| tell(told, Err(error.clone())));
                Err(error)
            }
        }
    }

    /// Those not asked for yet: what took the whole time limit once would take it again for every group of them.
    fn given_up(&self, error: &VaultError) -> Vec<oneshot::Sender<Word<Q, A>>> {
        if !matches!(error, VaultError::Timeout | VaultError::Unavailable(_)) {
            return Vec::new();
        }
        self.baton.0.line().waiting.drain(..).map(|waiting| waiting.told).collect()
    }
}

fn tell<Q, A>(told: oneshot::Sender<Word<Q, A>>, answer: Result<A, VaultError>) {
    // Whoever went away meanwhile needs no answer.
    let _gone = told.send(Word::Answer(answer));
}

impl<Q, A> Drop for Led<Q, A> {
    /// Puts back what was not answered, where it came from.
    fn drop(&mut self) {
        let others = self.questions.drain(..).skip(1).zip(self.told.drain(..));
        let mut line = self.baton.0.line();
        for (question, told) in others.rev() {
            line.waiting.push_front(Waiting { question, told });
        }
    }
}

impl<Q, A> Drop for Baton<Q, A> {
    fn drop(&mut self) {
        loop {
            let next = {
                let mut line = self.0.line();
                let next = line.waiting.pop_front();
                line.led = next.is_some();
                next
            };
            match next {
                None => return,
                Some(gone) if gone.told.is_closed() => {}
                Some(Waiting { question, told }) => {
                    // Outside the lock: one who goes away just now drops the baton, which hands it on again.
                    drop(told.send(Word::Lead(Self(Arc::clone(&self.0)), question)));
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
