//! What NATS tools ask a service: who is there, what it offers, how it fares (ADR-32 of NATS).
//!
//! async-nats' own service framework would answer whatever reply subject it is given, the log's among them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use async_nats::{Client, Message, Subscriber};
use event_log::permissions::DOOR_QUEUE;
use futures_util::stream::{SelectAll, select_all};
use proto::Command;
use runtime::clock;
use runtime::problem::Problem;
use serde_json::{Value, json};

use super::request;
use crate::asyncapi::Links;

const NAME: &str = "keepsake-command";
const DESCRIPTION: &str = "Carries out commands about guests; all of them answer here";
const VERBS: [&str; 3] = ["PING", "INFO", "STATS"];

/// How each command has fared in this instance.
pub(super) struct Tally {
    /// RFC 3339.
    since: String,
    commands: Vec<Counts>,
}

#[derive(Default)]
struct Counts {
    requests: AtomicU64,
    errors: AtomicU64,
    nanos: AtomicU64,
    /// Status of the last refusal; 0 when there was none.
    last_error: AtomicU64,
}

impl Tally {
    fn new() -> Arc<Self> {
        let commands = Command::NAMES.iter().map(|_| Counts::default()).collect();
        Arc::new(Self { since: clock::now().to_rfc3339(), commands })
    }

    pub(super) fn count(&self, command: &Command, took: Duration, problem: Option<&Problem>) {
        let name = command.name();
        let index = Command::NAMES.iter().position(|&(facet, command, _)| (facet, command) == name);
        let Some(counts) = index.and_then(|index| self.commands.get(index)) else { return };
        counts.requests.fetch_add(1, Ordering::Relaxed);
        counts.nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        if let Some(problem) = problem {
            counts.errors.fetch_add(1, Ordering::Relaxed);
            counts.last_error.store(u64::from(problem.status().as_u16()), Ordering::Relaxed);
        }
    }
}

/// What this instance says of itself.
pub(crate) struct Discovery {
    id: String,
    tally: Arc<Tally>,
    links: Links,
}

impl Discovery {
    pub(crate) fn new(links: Links) -> Self {
        Self { id: clock::random_id().simple().to_string(), tally: Tally::new(), links }
    }

    pub(super) fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.tally)
    }

    /// The questions that come on this connection.
    pub(super) async fn listen(&self, client: &Client) -> anyhow::Result<SelectAll<Subscriber>> {
        let id = &self.id;
        let mut questions = Vec::new();
        for verb in VERBS {
            for subject in [format!("$SRV.{verb}"), format!("$SRV.{verb}.{NAME}"), format!("$SRV.{verb}.{NAME}.{id}")] {
                questions.push(client.subscribe(subject).await.context("the service cannot be discovered")?);
            }
        }
        Ok(select_all(questions))
    }

    pub(super) async fn answer(&self, client: &Client, question: Message) {
        if !request::may_be_answered(&question) {
            tracing::warn!("refused a question whose reply subject is no inbox");
            return;
        }
        let Some(inbox) = question.reply else { return };
        let answer = match question.subject.split('.').nth(1) {
            Some("PING") => self.about("ping", json!({})),
            Some("INFO") => self.about("info", json!({"description": DESCRIPTION, "endpoints": self.endpoints()})),
            _ => self.about("stats", json!({"started": self.tally.since, "endpoints": self.figures()})),
        };
        if let Err(error) = client.publish(inbox, answer.to_string().into()).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "an answer could not be sent");
        }
    }

    fn about(&self, kind: &str, further: Value) -> Value {
        let mut answer = json!({
            "type": format!("io.nats.micro.v1.{kind}_response"),
            "name": NAME,
            "id": self.id,
            "version": env!("CARGO_PKG_VERSION"),
            "metadata": {"asyncapi": self.links.asyncapi()},
        });
        if let (Value::Object(answer), Value::Object(further)) = (&mut answer, further) {
            answer.extend(further);
        }
        answer
    }

    fn endpoints(&self) -> Vec<Value> {
        let endpoint = |&(facet, command, _): &(&str, &str, &str)| {
            let mut endpoint = endpoint(facet, command);
            endpoint["metadata"] = json!({
                "request_schema": self.links.schema(facet, command),
                "response_schema": self.links.reply_schema(),
                "content_types": "application/json, application/protobuf",
            });
            endpoint
        };
        Command::NAMES.iter().map(endpoint).collect()
    }

    fn figures(&self) -> Vec<Value> {
        let figures = |(&(facet, command, _), counts): (&(&str, &str, &str), &Counts)| {
            let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
            let (requests, nanos) = (read(&counts.requests), read(&counts.nanos));
            let last_error = Some(read(&counts.last_error)).filter(|status| *status > 0);
            let mut endpoint = endpoint(facet, command);
            endpoint["num_requests"] = requests.into();
            endpoint["num_errors"] = read(&counts.errors).into();
            endpoint["last_error"] = last_error.map(|status| status.to_string()).unwrap_or_default().into();
            endpoint["processing_time"] = nanos.into();
            endpoint["average_processing_time"] = nanos.checked_div(requests).unwrap_or(0).into();
            endpoint
        };
        Command::NAMES.iter().zip(&self.tally.commands).map(figures).collect()
    }
}

fn endpoint(facet: &str, command: &str) -> Value {
    json!({"name": format!("{facet}-{command}"), "subject": format!("cmd.*.{facet}.{command}"), "queue_group": DOOR_QUEUE})
}
