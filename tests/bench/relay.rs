//! The empty relay, a process of its own: a door and the appender, with nothing of Keepsake in between. Nothing is loaded,
//! decided or sealed; the last positions are in memory, and every commit is a copy of a real one.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, bail};
use async_nats::{Client, HeaderMap, Message};
use bytes::Bytes;
use event_log::{NatsAddress, User, durability, stream};
use futures_util::StreamExt as _;
use keepsake_tests::harness::logins::TEST;
use prost::Message as _;
use proto::subject::LogSubject;
use proto::{Commit, header};
use runtime::config::Env;
use tokio::sync::Semaphore;

use crate::child;
use crate::contestant::OVERLOADED;
use crate::contestant::raw::log_subjects;
use crate::field::OWNERS;
use command_service::appender::{Appended, Appender, Entry};

/// As the service's own door has it.
const MAX_IN_FLIGHT: usize = 1_024;
/// Any refusal but that of a full door: the end of the run.
const NOT_STORED: &str = "not_stored";
/// What the process that started this one waits for.
pub(crate) const READY: &str = "ready";

struct Relay {
    door: Client,
    appender: Appender,
    subjects: Vec<LogSubject>,
    positions: Vec<AtomicU64>,
    payload: Bytes,
    events: String,
    durability: &'static str,
}

/// Relays until the process that holds our standard input is gone.
pub(crate) async fn run(payload: &Path) -> anyhow::Result<()> {
    let setting = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set"));
    let (mut env, monitors) = (Env::process(), setting("NATS_MONITOR_URL")?);
    let nats = NatsAddress::from_env(&mut env);
    // Its door is none of the service's.
    let nats = NatsAddress { user: Some(TEST.to_owned()), ..env.finish(nats)? };
    let log = event_log::connect(&nats, User::Appender, "bench relay: log").await?;
    let door = event_log::connect(&nats, User::Door, "bench relay: door").await?;
    let (appender, appending) = Appender::new(log.clone());
    let appending = tokio::spawn(appending);
    let relay = Arc::new(Relay::new(door, appender, payload, proved(&log, &monitors).await?)?);
    tokio::select! {
        served = serve(&relay) => served?,
        () = child::until_parent_is_gone() => {}
    }
    drop(relay);
    // Whoever still waited for an answer is gone as well.
    appending.abort();
    Ok(())
}

/// What an acknowledgement means, proved as the service proves it.
pub(crate) async fn proved(log: &Client, monitors: &str) -> anyhow::Result<&'static str> {
    let monitors: Vec<String> = monitors.split(',').map(str::to_owned).collect();
    Ok(durability::probe(&stream::info(log).await?, &monitors, None).await?.name())
}

async fn serve(relay: &Arc<Relay>) -> anyhow::Result<()> {
    let mut requests = relay.door.queue_subscribe("relay.>", "relay".to_owned()).await?;
    // An answer on the same connection means that the server has the subscription.
    stream::info(&relay.door).await?;
    println!("{READY}");
    let in_flight = Arc::new(Semaphore::new(MAX_IN_FLIGHT));
    while let Some(message) = requests.next().await {
        let permit = Arc::clone(&in_flight).try_acquire_owned();
        let relay = Arc::clone(relay);
        tokio::spawn(async move {
            let outcome = match &permit {
                Ok(_) => relay.append(&message).await.map_err(|fault| (NOT_STORED, fault.to_string())),
                Err(full) => Err((OVERLOADED, full.to_string())),
            };
            relay.answer(&message, outcome).await;
            drop(permit);
        });
    }
    bail!("NATS closed the door")
}

impl Relay {
    fn new(door: Client, appender: Appender, payload: &Path, durability: &'static str) -> anyhow::Result<Self> {
        let payload = Bytes::from(std::fs::read(payload).context("there is no commit to copy")?);
        let commit = Commit::decode(payload.clone()).context("what is to be copied is no commit")?;
        let events = commit.events.iter().map(|event| event.r#type.as_str()).collect::<Vec<_>>().join(",");
        let subjects = log_subjects("relay", OWNERS)?;
        let positions = subjects.iter().map(|_| AtomicU64::new(0)).collect();
        Ok(Self { door, appender, subjects, positions, payload, events, durability })
    }

    /// Callers own disjoint sets of owners, so nobody else moves the position meanwhile.
    async fn append(&self, message: &Message) -> anyhow::Result<u64> {
        let owner = message.subject.rsplit('.').next().and_then(|owner| owner.parse::<usize>().ok());
        let owner = owner.filter(|owner| *owner < self.subjects.len()).context("no owner of the relay")?;
        let id = message
            .headers
            .as_ref()
            .and_then(|headers| headers.get(header::COMMAND_ID))
            .context("a request without a command id")?;
        let expected = self.positions[owner].load(Ordering::Relaxed);
        let (id, events, payload) = (id.as_str().to_owned(), self.events.clone(), self.payload.clone());
        let entry = Entry::new(&self.subjects[owner], expected, id, events, payload);
        match self.appender.append(entry).await? {
            Appended::At(position) => {
                self.positions[owner].store(position, Ordering::Relaxed);
                Ok(position)
            }
            Appended::Conflict(last) => bail!("another commit came first, at {last:?}"),
            Appended::Unclear => bail!("the log gave no clear answer"),
        }
    }

    async fn answer(&self, message: &Message, outcome: Result<u64, (&str, String)>) {
        let Some(reply) = message.reply.clone() else { return };
        let mut headers = HeaderMap::new();
        let body = match outcome {
            Ok(position) => format!(r#"{{"position":{position},"durability":"{}"}}"#, self.durability),
            Err((code, why)) => {
                headers.insert(header::SERVICE_ERROR, code);
                why
            }
        };
        if let Err(error) = self.door.publish_with_headers(reply, headers, body.into()).await {
            eprintln!("the relay could not answer: {error}");
        }
    }
}
