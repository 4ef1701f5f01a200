//! Who may say and hear what on NATS: the one table that nats-server's configuration is made of.
//!
//! What a user publishes itself is bounded by it. Where JetStream answers, though, it publishes with its own rights wherever the
//! question said, so whoever can make it answer can have something written on any subject of the account. Therefore callers
//! are in accounts of their own ([`Caller`]), and only our own processes are in the one of the log.

mod caller;
#[cfg(test)]
mod tests;

pub use caller::{Answers, Caller, Share};
use proto::subject::inbox::{FOREIGN_REPLY_PREFIX, INBOX_PREFIX, USER_INFO, command_inbox, inboxes, service_inbox};
use proto::subject::jetstream::{Ask, acknowledgements};
use proto::subject::{
    COMMAND_SUBJECTS, DEAD_LETTER_STREAM, DEAD_LETTER_SUBJECTS, DISCOVERY_SUBJECTS, INTAKE_HOLDERS, INTAKE_STREAM,
    INTAKE_SUBJECTS, LOG_STREAM, LOG_SUBJECTS, PUBLISHED_STREAM, PUBLISHED_SUBJECTS, VERDICT_STREAM, VERDICT_SUBJECTS,
    VERDICTS_STORED,
};

/// The account of all our own users, and of every stream.
pub const ACCOUNT: &str = "KEEPSAKE";
/// In which the door listens, and no otherwise: else it would hear commands that another instance carries out.
pub const DOOR_QUEUE: &str = "command-service";

const STREAMS: [&str; 5] = [LOG_STREAM, INTAKE_STREAM, DEAD_LETTER_STREAM, VERDICT_STREAM, PUBLISHED_STREAM];

/// One of our own connections, or whoever types `keepsake`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// `keepsake migrate`: makes the streams.
    Migrate,
    /// command-service: the log, verdicts, and what its HTTP door hands to the intake.
    Appender,
    /// command-service: takes commands and answers them.
    Door,
    /// command-service: empties the intake.
    Intake,
    /// projection-workers: reads the log, publishes events, sends the commands of timers and policies.
    Workers,
    /// Whoever operates the system, with `keepsake`.
    Operator,
}

/// Subjects, wildcards included. A subscription may name a queue group behind a space.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    pub publish: Vec<String>,
    pub subscribe: Vec<String>,
}

impl User {
    pub const ALL: [Self; 6] = [Self::Migrate, Self::Appender, Self::Door, Self::Intake, Self::Workers, Self::Operator];

    /// Of its seed's file, too.
    pub fn name(self) -> &'static str {
        match self {
            Self::Migrate => "migrate",
            Self::Appender => "appender",
            Self::Door => "door",
            Self::Intake => "intake",
            Self::Workers => "workers",
            Self::Operator => "operator",
        }
    }

    /// The user of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|user| user.name() == name)
    }

    /// Prefix of its inboxes. The door reaches no service's: what a caller names as its reply subject is never one of those.
    pub fn inbox(self) -> String {
        match self {
            Self::Operator => command_inbox(self.name()),
            Self::Migrate | Self::Appender | Self::Door | Self::Intake | Self::Workers => service_inbox(self.name()),
        }
    }

    /// What it may publish, and subscribe to.
    pub fn permissions(self) -> Permissions {
        let (publish, mut subscribe) = match self {
            Self::Migrate => (migrate(), vec![]),
            Self::Appender => (appender(), vec![]),
            Self::Door => (door(), owned(&[&in_queue(COMMAND_SUBJECTS), DISCOVERY_SUBJECTS])),
            Self::Intake => (intake(), owned(&[INTAKE_HOLDERS])),
            Self::Workers => (workers(), vec![]),
            Self::Operator => (operator(), owned(&[PUBLISHED_SUBJECTS, VERDICT_SUBJECTS])),
        };
        subscribe.push(inboxes(&self.inbox()));
        Permissions { publish, subscribe }
    }
}

fn owned(subjects: &[&str]) -> Vec<String> {
    subjects.iter().map(|subject| (*subject).to_owned()).collect()
}

fn in_queue(subjects: &str) -> String {
    format!("{subjects} {DOOR_QUEUE}")
}

fn asking<const N: usize>(stream: &str, asks: [Ask; N]) -> impl Iterator<Item = String> {
    asks.into_iter().map(move |ask| ask.of(stream))
}

/// Whoever may change a stream's settings may undo what makes it safe, so this user is for one command and no process.
fn migrate() -> Vec<String> {
    let asks = [Ask::StreamInfo, Ask::StreamCreate, Ask::StreamUpdate];
    let streams = STREAMS.into_iter().flat_map(|stream| asking(stream, asks));
    let consumers = [Ask::ConsumerCreate, Ask::ConsumerInfo, Ask::ConsumerList, Ask::ConsumerDelete];
    streams.chain(asking(PUBLISHED_STREAM, consumers)).collect()
}

fn appender() -> Vec<String> {
    let publish = owned(&[LOG_SUBJECTS, VERDICTS_STORED, INTAKE_SUBJECTS]);
    let infos =
        [LOG_STREAM, INTAKE_STREAM, DEAD_LETTER_STREAM, VERDICT_STREAM].map(|stream| Ask::StreamInfo.of(stream));
    let reads = asking(LOG_STREAM, [Ask::MessageGet, Ask::DirectGet, Ask::DirectGetLast]);
    publish.into_iter().chain(infos).chain(reads).chain([Ask::MessageGet.of(VERDICT_STREAM)]).collect()
}

/// Listed one by one, since `allow_responses` would let it publish wherever a caller says, whatever else is denied.
fn door() -> Vec<String> {
    [INBOX_PREFIX, FOREIGN_REPLY_PREFIX, &User::Door.inbox()].map(inboxes).to_vec()
}

/// The one user that purges: what is settled leaves the intake.
fn intake() -> Vec<String> {
    let consumer = [Ask::ConsumerCreate, Ask::ConsumerInfo, Ask::ConsumerList, Ask::ConsumerNext, Ask::ConsumerDelete];
    let stream = [Ask::StreamInfo, Ask::StreamPurge, Ask::MessageGet, Ask::MessageDelete];
    let asks = asking(INTAKE_STREAM, consumer).chain(asking(INTAKE_STREAM, stream));
    let publish = [DEAD_LETTER_SUBJECTS, INTAKE_HOLDERS].map(str::to_owned);
    asks.chain(publish).chain([acknowledgements(INTAKE_STREAM)]).collect()
}

fn workers() -> Vec<String> {
    let publish = owned(&[PUBLISHED_SUBJECTS, INTAKE_SUBJECTS]);
    publish.into_iter().chain(reading_the_log()).collect()
}

/// An ordered consumer, which acknowledges nothing, and single reads.
fn reading_the_log() -> impl Iterator<Item = String> {
    let reads = [Ask::StreamInfo, Ask::MessageGet, Ask::DirectGet, Ask::DirectGetLast];
    asking(LOG_STREAM, reads).chain(reading_on(LOG_STREAM))
}

/// Consumers of one's own, that nobody else uses.
fn reading_on(stream: &str) -> impl Iterator<Item = String> {
    let making = [Ask::ConsumerCreate, Ask::ConsumerCreateUnnamed];
    asking(stream, making).chain(asking(stream, [Ask::ConsumerInfo, Ask::ConsumerNext, Ask::ConsumerDelete]))
}

fn operator() -> Vec<String> {
    let publish = owned(&[COMMAND_SUBJECTS, INTAKE_SUBJECTS, DISCOVERY_SUBJECTS, USER_INFO]);
    let infos = STREAMS.into_iter().filter(|stream| *stream != LOG_STREAM).map(|stream| Ask::StreamInfo.of(stream));
    let letters = asking(DEAD_LETTER_STREAM, [Ask::MessageGet, Ask::MessageDelete]);
    let reading = reading_on(PUBLISHED_STREAM).chain(reading_the_log());
    publish.into_iter().chain(infos).chain(letters).chain(reading).collect()
}
