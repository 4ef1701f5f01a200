//! Callers that never let go of a command before they know what became of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use keepsake_tests::harness::{Client, History, eventually_within, history};

const CALLERS: u64 = 16;
const GUESTS: u64 = 20;
/// One command in as many is about somebody who was never registered.
const STRANGER_EVERY: u64 = 23;
/// A server that was killed is waited for by every command that was under way.
const PATIENCE: Duration = Duration::from_mins(3);

pub(crate) struct Load {
    callers: JoinSet<History>,
    progress: Arc<Progress>,
}

#[derive(Default)]
struct Progress {
    accepted: AtomicU64,
    stop: AtomicBool,
}

impl Load {
    /// Provisions the tenant, registers the guests, and lets the callers go.
    pub(crate) async fn start(client: &Client) -> Self {
        history::set_up(client, (0..GUESTS).map(|guest| format!("guest-{guest}"))).await;
        let (mut callers, progress) = (JoinSet::new(), Arc::default());
        for caller in 0..CALLERS {
            callers.spawn(call(client.clone(), caller, Arc::clone(&progress)));
        }
        Self { callers, progress }
    }

    /// Waits until this many more commands were carried out.
    pub(crate) async fn until_further(&self, commands: u64) {
        let aim = self.accepted() + commands;
        eventually_within(PATIENCE, "commands go on being carried out", async || {
            (self.accepted() >= aim).then_some(())
        })
        .await;
    }

    fn accepted(&self) -> u64 {
        self.progress.accepted.load(Ordering::Relaxed)
    }

    /// Lets every caller settle its last command, and answers what all were told.
    pub(crate) async fn stop(self) -> History {
        self.progress.stop.store(true, Ordering::Relaxed);
        self.callers.join_all().await.into_iter().collect()
    }
}

/// Only strangers are refused, and only for being strangers; every reply names its command's own events.
pub(crate) fn expect_lawful(told: &History) {
    for (id, problem) in &told.refused {
        assert_eq!(problem.code, "guest_not_found", "{id}: {problem:?}");
        assert!(id.starts_with("stranger-"), "{id}: {problem:?}");
    }
    assert!(told.accepted.iter().all(|reply| !reply.id.starts_with("stranger-")), "a stranger was let in");
}

async fn call(client: Client, caller: u64, progress: Arc<Progress>) -> History {
    let mut told = History::default();
    for turn in 0.. {
        if progress.stop.load(Ordering::Relaxed) {
            break;
        }
        let (command, id, json) = command(caller, turn);
        let settled = history::insist(&client, command, &id, &json).await;
        progress.accepted.fetch_add(settled.accepted.len() as u64, Ordering::Relaxed);
        told = told.and(settled);
    }
    told
}

/// Mostly something a guest did; now and then a registration that changes nothing, or a stranger.
fn command(caller: u64, turn: u64) -> (&'static str, String, String) {
    let guest = (caller * 7 + turn * 13) % GUESTS;
    let kind = ["product.viewed", "order.created", "topic.liked"][usize::try_from(turn % 3).expect("small")];
    match (caller + turn) % STRANGER_EVERY {
        0 => {
            let json = format!(r#"{{"guest_id":"nobody-{caller}-{turn}","kind":"{kind}"}}"#);
            ("interactions.record", format!("stranger-{caller}-{turn}"), json)
        }
        1 => ("guest.register", format!("again-{caller}-{turn}"), format!(r#"{{"identifier":"guest-{guest}"}}"#)),
        _ => {
            let json = format!(
                r#"{{"guest_id":"guest-{guest}","kind":"{kind}","topic":"t{}","properties":{{"turn":{turn}}}}}"#,
                turn % 5
            );
            ("interactions.record", format!("c-{caller}-{turn}"), json)
        }
    }
}
