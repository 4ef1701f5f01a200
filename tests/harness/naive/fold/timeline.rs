//! What a timeline says of each event.

use chrono::{DateTime, Utc};
use proto::guest::{GuestMerged, GuestRegistered, GuestUnmerged, GuestUpdated, Identifier, IdentityConflictDetected};
use proto::interactions::InteractionRecorded;
use serde_json::Value;

use super::guest;
use crate::harness::naive::log::Commit;
use crate::harness::naive::table::Tables;

/// One event, by its place in the commit.
pub(super) struct Entry<'a> {
    pub(super) index: usize,
    pub(super) event_id: &'a str,
    pub(super) event_type: &'a str,
    pub(super) occurred_at: DateTime<Utc>,
}

pub(super) fn add(tables: &mut Tables, commit: &Commit, entry: &Entry<'_>, summary: &str) {
    let index = i64::try_from(entry.index).expect("a commit has few events");
    let row = guest(commit).with("event_index", index).with("event_id", entry.event_id);
    let row = row.with("event_type", entry.event_type).with("occurred_at", entry.occurred_at);
    tables.insert("timeline", row.with("recorded_at", commit.recorded_at).with("summary", summary));
}

pub(super) fn namespaces(registered: &GuestRegistered) -> String {
    let mut namespaces = Vec::new();
    for identifier in &registered.identifiers {
        namespaces.push(quoted(&identifier.namespace));
    }
    format!(r#"{{"identifiers":[{}]}}"#, namespaces.join(","))
}

pub(super) fn changed(updated: &GuestUpdated) -> String {
    let mut names = Vec::new();
    for name in &updated.changed {
        names.push(quoted(name));
    }
    format!(r#"{{"changed":[{}]}}"#, names.join(","))
}

pub(super) fn absorbed_ids(merged: &GuestMerged) -> String {
    let mut ids = Vec::new();
    for id in &merged.absorbed_ids {
        ids.push(quoted(id));
    }
    format!(r#"{{"absorbed_ids":[{}]}}"#, ids.join(","))
}

pub(super) fn restored_ids(unmerged: &GuestUnmerged) -> String {
    let mut ids = Vec::new();
    for id in &unmerged.restored_ids {
        ids.push(quoted(id));
    }
    format!(r#"{{"restored_ids":[{}]}}"#, ids.join(","))
}

pub(super) fn survivor_id(survivor_id: &str) -> String {
    format!(r#"{{"survivor_id":{}}}"#, quoted(survivor_id))
}

pub(super) fn namespace(identifier: &Identifier) -> String {
    format!(r#"{{"identifiers":[{}]}}"#, quoted(&identifier.namespace))
}

pub(super) fn conflict(conflict: &IdentityConflictDetected) -> String {
    let [namespace, other_id, reason] =
        [&conflict.namespace, &conflict.other_id, &conflict.reason].map(|text| quoted(text));
    format!(r#"{{"namespace":{namespace},"other_id":{other_id},"reason":{reason}}}"#)
}

pub(super) fn kind_and_topic(recorded: &InteractionRecorded) -> String {
    let kind = quoted(&recorded.kind);
    if recorded.topic.is_empty() {
        format!(r#"{{"kind":{kind}}}"#)
    } else {
        format!(r#"{{"kind":{kind},"topic":{}}}"#, quoted(&recorded.topic))
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
