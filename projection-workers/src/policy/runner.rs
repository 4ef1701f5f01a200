//! Gives one policy the events it asks for, and makes commands and timers of its answers.

use event_log::read::LogMessage;
use prost::Message as _;
use proto::subject::LogSubject;
use proto::{Commit, TraceParent};
use vault::Vault;

use super::{Happened, Policy, Reaction};
use crate::due::{Appointment, Timer, durable, stable_id};
use crate::error::Fault;
use crate::follow::{Begins, Effects, Follower};
use crate::open::{self, Opened};

pub(crate) struct Runner {
    pub(crate) policy: &'static dyn Policy,
    pub(crate) vault: Vault,
}

impl Follower for Runner {
    fn name(&self) -> String {
        format!("policy.{}", self.policy.name())
    }

    /// What is long past is nothing to react to.
    fn begins(&self) -> Begins {
        Begins::Now
    }

    async fn react(&self, commits: Vec<LogMessage>) -> Effects {
        let mut effects = Effects::default();
        let first = commits.first().map_or(0, |message| message.position);
        let wanted = commits.into_iter().filter(|message| self.wants(message)).collect();
        let sealed = match open::unpack(&self.vault, wanted).await {
            Ok(sealed) => sealed,
            Err(fault) => return Effects { fault: Some((first, fault)), ..effects },
        };
        for commit in sealed {
            let (position, trace) = (commit.message.position, commit.message.trace);
            match commit.open() {
                Ok(commit) => self.answer(&commit, trace, &mut effects),
                Err(unopened) => {
                    let why = unopened.reason.to_string();
                    effects.fault = Some((position, Fault::Unreadable { position, why }));
                    break;
                }
            }
        }
        effects
    }
}

impl Runner {
    /// What does not decode may be its business: it finds out when it is opened.
    fn wants(&self, message: &LogMessage) -> bool {
        Commit::decode(&*message.payload).map_or(true, |commit| self.policy.facets().contains(&&*commit.facet))
    }

    fn answer(&self, commit: &Opened, trace: Option<TraceParent>, effects: &mut Effects) {
        for opened in &commit.events {
            let happened = Happened {
                subject: &commit.subject,
                event_id: &opened.id,
                event: &opened.event,
                recorded_at: commit.recorded_at,
            };
            for reaction in self.policy.react(happened) {
                self.effect(&commit.subject, &opened.id, reaction, trace, effects);
            }
        }
    }

    fn effect(
        &self,
        subject: &LogSubject,
        event_id: &str,
        reaction: Reaction,
        trace: Option<TraceParent>,
        effects: &mut Effects,
    ) {
        let (policy, tenant) = (self.policy.name(), &subject.tenant);
        match reaction {
            Reaction::Command { step, command } => {
                let id = stable_id("pol_", &[event_id, policy, &step]);
                let body = serde_json::Value::Object(command.body).to_string();
                let message = durable(tenant.as_str(), command.facet, command.command, &id, body);
                effects.messages.push(message.traced(trace));
            }
            Reaction::Timer { timer, due_at, command } => {
                let timer_id = self.timer_id(subject, &timer);
                let (subject, cause) = (subject.clone(), event_id.to_owned());
                let timer = Timer { subject, timer_id, cause, due_at, command };
                effects.appointments.push(Appointment::Made(timer));
            }
            Reaction::CancelTimer { timer } => {
                let timer_id = self.timer_id(subject, &timer);
                effects.appointments.push(Appointment::Cancelled { tenant: tenant.clone(), timer_id });
            }
        }
    }

    fn timer_id(&self, subject: &LogSubject, timer: &str) -> String {
        stable_id("", &[self.policy.name(), subject.owner.as_str(), timer])
    }
}
