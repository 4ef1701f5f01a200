//! Asking the servers themselves, at their monitoring addresses, when they write to disk.

use std::collections::HashMap;
use std::fmt::Display;
use std::time::Duration;

use futures_util::future::join_all;
use runtime::http_client::HttpClient;
use serde::Deserialize;

use super::NotDurable;
use crate::stream::LogInfo;

const TIMEOUT: Duration = Duration::from_secs(3);

/// What the monitoring addresses show.
#[derive(Default)]
pub(super) struct Seen {
    /// By server name, whether it writes to disk before it acknowledges.
    syncs: HashMap<String, bool>,
    /// Why some address shows nothing.
    silent: Vec<String>,
}

pub(super) async fn ask(monitors: &[String]) -> Seen {
    let http = HttpClient::new(TIMEOUT);
    let mut seen = Seen::default();
    for answer in join_all(monitors.iter().map(|monitor| varz(&http, monitor))).await {
        match answer {
            // Two addresses of one server are one server.
            Ok(varz) => drop(seen.syncs.insert(varz.server_name, varz.jetstream.config.sync_always)),
            Err(silent) => seen.silent.push(silent),
        }
    }
    seen
}

async fn varz(http: &HttpClient, monitor: &str) -> Result<Varz, String> {
    let unseen = |error: &dyn Display| format!("{monitor} does not show its configuration ({error})");
    let url = format!("{}/varz", monitor.trim_end_matches('/'));
    let answer = http.get(&url, &[]).await.map_err(|error| unseen(&error))?;
    serde_json::from_slice(&answer.body).map_err(|error| unseen(&error))
}

impl Seen {
    /// Whether every server that keeps a copy of the log writes to disk before it acknowledges.
    pub(super) fn judge(&self, log: &LogInfo) -> Result<(), NotDurable> {
        let unsynced = |name: &&String| self.syncs.get(*name) == Some(&false);
        let named: Vec<&String> =
            if log.peers.is_empty() { self.syncs.keys().collect() } else { log.peers.iter().collect() };
        if let Some(name) = named.iter().copied().find(unsynced) {
            return Err(NotDurable::seen(format!("the server {name} acknowledges before it has written to disk")));
        }
        let missing: Vec<&str> =
            named.iter().filter(|name| !self.syncs.contains_key(**name)).map(|name| name.as_str()).collect();
        if missing.is_empty() && named.len() >= log.replicas {
            return Ok(());
        }
        let missing = match missing.as_slice() {
            [] => format!("NATS_MONITOR_URL shows {} of {} servers", named.len(), log.replicas),
            missing => {
                format!("NATS_MONITOR_URL does not show {}, which keeps a copy of the log", missing.join(" and "))
            }
        };
        match self.silent.as_slice() {
            [] => Err(NotDurable::seen(missing)),
            silent => Err(NotDurable::unseen(format!("{missing}: {}", silent.join("; ")))),
        }
    }
}

#[derive(Deserialize)]
struct Varz {
    server_name: String,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn log(peers: &[&str]) -> LogInfo {
        let peers: Vec<String> = peers.iter().map(|peer| (*peer).to_owned()).collect();
        LogInfo { log_id: String::new(), last_position: 0, bytes: 0, replicas: peers.len(), peers }
    }

    fn seen(syncs: &[(&str, bool)], silent: &[&str]) -> Seen {
        Seen {
            syncs: syncs.iter().map(|(name, syncs)| ((*name).to_owned(), *syncs)).collect(),
            silent: silent.iter().map(|silent| (*silent).to_owned()).collect(),
        }
    }

    #[test]
    fn a_log_is_synced_when_each_of_its_servers_was_seen_to_sync() {
        let all = seen(&[("a", true), ("b", true), ("c", true), ("elsewhere", false)], &[]);
        assert!(all.judge(&log(&["a", "b", "c"])).is_ok());
        assert!(all.judge(&log(&["a"])).is_ok());
    }

    #[test]
    fn the_server_that_does_not_sync_or_was_not_seen_is_named() {
        let all = seen(&[("a", true), ("b", false)], &[]);
        let fault = all.judge(&log(&["a", "b"])).expect_err("b");
        assert!(fault.is_seen() && fault.to_string().contains("server b acknowledges before"), "{fault}");
        let fault = all.judge(&log(&["a", "c"])).expect_err("c");
        assert!(fault.is_seen() && fault.to_string().contains("does not show c, which"), "{fault}");
    }

    #[test]
    fn a_server_that_may_be_behind_a_silent_address_is_asked_for_again() {
        let all = seen(&[("a", true)], &["http://c does not show its configuration"]);
        let fault = all.judge(&log(&["a", "c"])).expect_err("c");
        assert!(!fault.is_seen() && fault.to_string().contains("http://c"), "{fault}");
        assert!(all.judge(&log(&["a"])).is_ok(), "not a server of the log");
    }
}
