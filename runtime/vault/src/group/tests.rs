//! How callers share a statement, without any statement.

use std::cell::RefCell;
use std::future::pending;

use futures_util::{FutureExt as _, poll};

use super::*;

type Asked = RefCell<Vec<Vec<u32>>>;

/// Answers each question with itself.
async fn echo(group: &Arc<Group<u32, u32>>, asked: &Asked, question: u32) -> Result<u32, VaultError> {
    let run = async |questions: &[u32]| {
        asked.borrow_mut().push(questions.to_vec());
        Ok(questions.to_vec())
    };
    group.ask(question, run).await
}

/// Leads a group that ends when `end` says how.
async fn held(
    group: &Arc<Group<u32, u32>>,
    question: u32,
    end: oneshot::Receiver<Result<Vec<u32>, VaultError>>,
) -> Result<u32, VaultError> {
    group.ask(question, async |_: &[u32]| end.await.expect("an end")).await
}

#[tokio::test]
async fn a_lone_caller_asks_at_once() {
    let (group, asked) = (Group::new(), Asked::default());
    for question in [1, 2] {
        let answer = echo(&group, &asked, question).now_or_never().expect("it waits for nobody");
        assert_eq!(answer.expect("an answer"), question);
    }
    assert_eq!(*asked.borrow(), [[1], [2]]);
}

#[tokio::test]
async fn those_who_wait_are_asked_for_together_in_the_order_they_came() {
    let (group, asked) = (Group::new(), Asked::default());
    let (end, ended) = oneshot::channel();
    let mut first = Box::pin(held(&group, 1, ended));
    assert!(poll!(&mut first).is_pending());
    let mut others: Vec<_> = (2..=4).map(|question| Box::pin(echo(&group, &asked, question))).collect();
    for other in &mut others {
        assert!(poll!(other).is_pending());
    }
    end.send(Ok(vec![10])).expect("it waits");
    assert_eq!(first.await.expect("an answer"), 10);
    for (other, question) in others.into_iter().zip(2..) {
        assert_eq!(other.await.expect("an answer"), question);
    }
    assert_eq!(*asked.borrow(), [[2, 3, 4]]);
}

#[tokio::test]
async fn a_group_has_a_limit() {
    let (group, asked) = (Group::new(), Asked::default());
    let (end, ended) = oneshot::channel();
    let mut first = Box::pin(held(&group, 0, ended));
    assert!(poll!(&mut first).is_pending());
    let count = u32::try_from(GROUP_LIMIT + 1).expect("a number");
    let mut others: Vec<_> = (0..count).map(|question| Box::pin(echo(&group, &asked, question))).collect();
    for other in &mut others {
        assert!(poll!(other).is_pending());
    }
    end.send(Ok(vec![0])).expect("it waits");
    first.await.expect("an answer");
    for other in others {
        other.await.expect("an answer");
    }
    assert_eq!(asked.borrow().iter().map(Vec::len).collect::<Vec<_>>(), [GROUP_LIMIT, 1]);
}

#[tokio::test]
async fn when_the_leader_goes_away_the_others_are_answered_all_the_same() {
    let (group, asked) = (Group::new(), Asked::default());
    let (end, ended) = oneshot::channel();
    let mut first = Box::pin(held(&group, 1, ended));
    assert!(poll!(&mut first).is_pending());
    let mut leader = Box::pin(group.ask(2, async |_: &[u32]| pending().await));
    let mut others: Vec<_> = (3..=6).map(|question| Box::pin(echo(&group, &asked, question))).collect();
    assert!(poll!(&mut leader).is_pending());
    for other in &mut others {
        assert!(poll!(other).is_pending());
    }
    end.send(Ok(vec![1])).expect("it waits");
    first.await.expect("an answer");
    assert!(poll!(&mut leader).is_pending(), "it asks for all of them");
    // The one to lead next goes away too: before the leader does, or after it was told to lead.
    drop(others.remove(0));
    drop(leader);
    drop(others.remove(0));
    for (other, question) in others.into_iter().zip(5..) {
        assert_eq!(other.await.expect("an answer"), question);
    }
    assert_eq!(*asked.borrow(), [[5, 6]]);
    assert_eq!(echo(&group, &asked, 7).now_or_never().expect("nobody leads").expect("an answer"), 7);
}

#[tokio::test]
async fn a_fault_is_the_answer_of_the_whole_group_and_a_timeout_of_all_who_wait() {
    let group = Group::new();
    let (end, ended) = oneshot::channel();
    let mut first = Box::pin(held(&group, 1, ended));
    assert!(poll!(&mut first).is_pending());
    let (second_end, second_ended) = oneshot::channel();
    let mut second = Box::pin(held(&group, 2, second_ended));
    let (_, never) = oneshot::channel();
    let mut third = Box::pin(held(&group, 3, never));
    assert!(poll!(&mut second).is_pending() && poll!(&mut third).is_pending());
    end.send(Err(VaultError::Corrupt("a row"))).expect("it waits");
    assert!(matches!(first.await, Err(VaultError::Corrupt("a row"))));
    assert!(poll!(&mut second).is_pending(), "it asks for itself and the third");
    let (_, never) = oneshot::channel();
    let mut fourth = Box::pin(held(&group, 4, never));
    assert!(poll!(&mut fourth).is_pending());
    second_end.send(Err(VaultError::Timeout)).expect("it waits");
    for waiting in [second, third, fourth] {
        assert!(matches!(waiting.await, Err(VaultError::Timeout)));
    }
}
