//! What an acknowledged append survives: proved by asking the servers, or declared by the operator, never assumed.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use runtime::http_client::HttpClient;
use serde::Deserialize;

use crate::stream::LogInfo;

const PROBE_TIMEOUT: Duration = Duration::from_secs(3);
/// Replicas from which on one lost machine loses nothing.
const REPLICATED_FROM: usize = 3;

/// What is known of an acknowledged append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// On the disk of every server that acknowledged it: seen in the servers' own configuration.
    Fsync,
    /// On several servers, some perhaps only in memory.
    Replicated,
    /// The operator vouches for it: managed NATS that shows no configuration.
    Attested,
    /// In the memory of one server: up to two minutes of commits are lost with its power.
    Relaxed,
}

impl Durability {
    pub fn name(self) -> &'static str {
        match self {
            Self::Fsync => "fsync",
            Self::Replicated => "replicated",
            Self::Attested => "attested",
            Self::Relaxed => "relaxed",
        }
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A level the operator may declare; the others must be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declared {
    Attested,
    Relaxed,
}

impl FromStr for Declared {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "attested" => Ok(Self::Attested),
            "relaxed" => Ok(Self::Relaxed),
            _ => Err(()),
        }
    }
}

/// The log loses acknowledged commits when a machine loses power.
#[derive(Debug, thiserror::Error)]
#[error(
    "the log is not durable: {0}. Start nats-server with `jetstream {{ sync_interval: always }}` and set NATS_MONITOR_URL to \
     its monitoring address (several, comma-separated, in a cluster), or give the stream EVT three replicas, or set \
     KEEPSAKE_DURABILITY=attested when the operator vouches for it, or =relaxed to accept the loss"
)]
pub struct NotDurable(String);

/// The level of the log, or why it is less than what can be promised. `monitors` are the servers' monitoring URLs.
pub async fn probe(log: &LogInfo, monitors: &[String], declared: Option<Declared>) -> Result<Durability, NotDurable> {
    let fault = match every_server_syncs(monitors, log.replicas).await {
        Ok(()) => return Ok(Durability::Fsync),
        Err(fault) => fault,
    };
    match declared {
        _ if log.replicas >= REPLICATED_FROM => Ok(Durability::Replicated),
        Some(Declared::Attested) => Ok(Durability::Attested),
        Some(Declared::Relaxed) => Ok(Durability::Relaxed),
        None => Err(NotDurable(fault)),
    }
}

async fn every_server_syncs(monitors: &[String], replicas: usize) -> Result<(), String> {
    if monitors.len() < replicas {
        return Err(format!("NATS_MONITOR_URL names {} of {replicas} servers", monitors.len()));
    }
    let http = HttpClient::new(PROBE_TIMEOUT);
    for monitor in monitors {
        let unseen = |error: &dyn fmt::Display| format!("{monitor} does not show its configuration ({error})");
        let url = format!("{}/varz", monitor.trim_end_matches('/'));
        let answer = http.get(&url, &[]).await.map_err(|error| unseen(&error))?;
        let varz: Varz = serde_json::from_slice(&answer.body).map_err(|error| unseen(&error))?;
        if !varz.jetstream.config.sync_always {
            return Err(format!("{monitor} acknowledges before it has written to disk"));
        }
    }
    Ok(())
}

#[derive(Deserialize)]
struct Varz {
    jetstream: JetStreamVarz,
}

#[derive(Deserialize)]
struct JetStreamVarz {
    config: JetStreamConfig,
}

#[derive(Deserialize)]
struct JetStreamConfig {
    #[serde(default)]
    sync_always: bool,
}
