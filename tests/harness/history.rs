//! What callers were told, each after asking until it was settled.

use std::time::Duration;

use futures_util::future::join_all;
use keepsake_cli::commander::{Outcome, PATIENT, Problem};
use proto::Reply;
use tokio::time::MissedTickBehavior;

use super::Client;

/// Shorter than the service's own patience, so that a command is also sent again while it is still under way. Twice as long
/// at each further try, up to [`PATIENT`]: callers who never slow down would keep a busy service busy with copies alone.
const FIRST_WAIT: Duration = Duration::from_secs(2);
const BETWEEN_TRIES: Duration = Duration::from_millis(20);
const DEADLINE: Duration = Duration::from_mins(2);

/// Commands and how they ended.
#[derive(Debug, Default)]
pub struct History {
    pub accepted: Vec<Reply>,
    /// Command ids and why they were refused for good.
    pub refused: Vec<(String, Problem)>,
    /// How often a command had to be sent again.
    pub resent: u64,
}

impl History {
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.accepted.extend(other.accepted);
        self.refused.extend(other.refused);
        self.resent += other.resent;
        self
    }
}

impl FromIterator<Self> for History {
    fn from_iter<I: IntoIterator<Item = Self>>(histories: I) -> Self {
        histories.into_iter().fold(Self::default(), Self::and)
    }
}

/// Sends a command under one id until its outcome is known: carried out, or refused for good.
pub async fn insist(client: &Client, command: &str, id: &str, json: &str) -> History {
    let (mut history, mut wait) = (History::default(), FIRST_WAIT);
    let mut ticks = tokio::time::interval(BETWEEN_TRIES);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let settled = tokio::time::timeout(DEADLINE, async {
        loop {
            ticks.tick().await;
            match client.send_within(wait, command, Some(id), json).await {
                Outcome::Accepted(reply) => {
                    return history.accepted.push(serde_json::from_slice(&reply).expect("a reply"));
                }
                Outcome::Refused { problem, .. } if !problem.is_worth_retrying() => {
                    return history.refused.push((id.to_owned(), problem));
                }
                Outcome::Refused { .. } | Outcome::NoAnswer(_) => history.resent += 1,
            }
            wait = PATIENT.min(wait * 2);
        }
    });
    assert!(settled.await.is_ok(), "{command} {id} was not settled within {DEADLINE:?}");
    history
}

/// Provisions the tenant and registers these guests, also while the log still looks for its leader; answers our ids of them.
pub async fn set_up(client: &Client, guests: impl IntoIterator<Item = String>) -> Vec<String> {
    let provisioned = insist(client, "tenant.provision", "set-up", r#"{"name":"A tenant"}"#).await;
    assert!(provisioned.refused.is_empty(), "{provisioned:?}");
    let register = |guest: String| async move {
        insist(client, "guest.register", &format!("set-up-{guest}"), &format!(r#"{{"identifier":"{guest}"}}"#)).await
    };
    let registered: History = join_all(guests.into_iter().map(register)).await.into_iter().collect();
    assert!(registered.refused.is_empty(), "{registered:?}");
    registered.accepted.into_iter().map(|reply| reply.guest_id).collect()
}
