//! Another service that sends commands and hears of events: of its own tenants, and of nobody else's.

use std::collections::BTreeSet;

use proto::subject::inbox::{INBOX_PREFIX, inboxes};
use proto::subject::jetstream::{Ask, acknowledgements_of, callers_api};
use proto::subject::{
    COMMAND_SUBJECTS, INTAKE_SUBJECTS, PUBLISHED_STREAM, PUBLISHED_SUBJECTS, PublishedSubject, Tenant,
    VERDICT_SUBJECTS, commands_of, durable_commands_of, verdicts_of,
};

use super::Permissions;

/// In an account of its own, that shares with ours what concerns its tenants. So its inboxes are its alone, and whatever reply
/// subject it names is one of its own account: no answer of ours, and none of JetStream's, lands anywhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Of its account, and of its consumer of the published events, too.
    pub name: String,
    pub tenants: BTreeSet<Tenant>,
}

/// What one account lets another have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Share {
    /// What is published to it, and the answer; `to` is its subject where it comes from, when that is another one.
    Service { subject: String, to: Option<String>, answers: Answers },
    /// What is heard from it.
    Stream(String),
}

/// How many answers there are to one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    One,
    Many,
}

impl Share {
    fn service(subject: impl Into<String>) -> Self {
        Self::Service { subject: subject.into(), to: None, answers: Answers::One }
    }

    fn api(ask: Ask, consumer: &str, answers: Answers) -> Self {
        let subject = ask.of_one(PUBLISHED_STREAM, consumer);
        Self::Service { to: Some(callers_api(&subject)), subject, answers }
    }
}

impl Caller {
    /// What our account lets callers have; which one has what of it is for [`Caller::shares`] to say.
    pub fn shared_with_all() -> Vec<Share> {
        let stream = |subjects: &str| Share::Stream(subjects.to_owned());
        let mut shared = vec![Share::service(COMMAND_SUBJECTS), Share::service(INTAKE_SUBJECTS)];
        shared.extend([stream(PUBLISHED_SUBJECTS), stream(VERDICT_SUBJECTS)]);
        shared.extend(of_consumer("*"));
        shared
    }

    /// Prefix of its inboxes: the usual one, as nobody else is in its account.
    pub fn inbox() -> &'static str {
        INBOX_PREFIX.trim_end_matches('.')
    }

    /// What of ours it has.
    pub fn shares(&self) -> Vec<Share> {
        let of_tenant = |tenant: &Tenant| {
            [
                Share::service(commands_of(tenant)),
                Share::service(durable_commands_of(tenant)),
                Share::Stream(PublishedSubject::all_of(tenant)),
                Share::Stream(verdicts_of(tenant)),
            ]
        };
        self.tenants.iter().flat_map(of_tenant).chain(of_consumer(&self.name)).collect()
    }

    /// What it may publish and subscribe to in its account: just that, and its inboxes.
    pub fn permissions(&self) -> Permissions {
        let mut permissions = Permissions { publish: vec![], subscribe: vec![inboxes(Self::inbox())] };
        for share in self.shares() {
            match share {
                Share::Service { subject, to, .. } => permissions.publish.push(to.unwrap_or(subject)),
                Share::Stream(subject) => permissions.subscribe.push(subject),
            }
        }
        permissions
    }
}

/// A consumer of the published events that was made beforehand: whoever makes one says where it delivers.
fn of_consumer(consumer: &str) -> [Share; 3] {
    [
        Share::api(Ask::ConsumerInfo, consumer, Answers::One),
        Share::api(Ask::ConsumerNext, consumer, Answers::Many),
        Share::service(acknowledgements_of(PUBLISHED_STREAM, consumer)),
    ]
}
