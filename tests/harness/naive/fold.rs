//! What each event does to each table, told row by row.

mod identity;
mod timeline;

use chrono::{DateTime, Utc};
use proto::Event;
use proto::guest::GuestRegistered;
use proto::guest::event::Kind as GuestEvent;
use proto::interactions::InteractionRecorded;
use proto::interactions::event::Kind as InteractionEvent;
use proto::tenant::TenantProvisioned;
use proto::tenant::event::Kind as TenantEvent;
use sha2::{Digest as _, Sha256};
use unicode_normalization::UnicodeNormalization as _;

use super::log::{Commit, time};
use super::table::{Cell, Row, Tables};
use timeline::Entry;

pub(super) fn fold(tables: &mut Tables, commit: &Commit) {
    let command = row(commit).with("owner", &commit.owner).with("command", command_hash(&commit.command_id));
    tables.insert("command_log", command);
    for (index, event) in commit.events.iter().enumerate() {
        let event_id = event.id.as_str();
        let entry = |event_type| Entry { index, event_id, event_type, occurred_at: commit.recorded_at };
        match &event.event {
            Event::Tenant(event) => tenant_event(tables, commit, event),
            Event::Guest(event) => {
                let (event_type, summary) = if let Some(told) = identity::fold(tables, commit, index, event_id, event) {
                    profile(tables, commit).set("version", commit.version);
                    told
                } else {
                    said(tables, commit, event)
                };
                timeline::add(tables, commit, &entry(event_type), &summary);
            }
            Event::Interactions(InteractionEvent::InteractionRecorded(recorded)) => {
                interaction(tables, commit, event_id, recorded);
                activity(tables, commit, recorded);
                topic(tables, commit, recorded);
                let entry = Entry { occurred_at: occurred_at(recorded), ..entry("InteractionRecorded") };
                timeline::add(tables, commit, &entry, &timeline::kind_and_topic(recorded));
            }
        }
    }
}

fn tenant_event(tables: &mut Tables, commit: &Commit, event: &TenantEvent) {
    match event {
        TenantEvent::TenantProvisioned(provisioned) => tenant(tables, commit, provisioned),
        TenantEvent::TenantSuspended(suspended) => {
            standing(tables, commit, commit.recorded_at.into(), Cell::from(&suspended.reason));
        }
        TenantEvent::TenantResumed(_) => standing(tables, commit, Cell::Null, Cell::Null),
        TenantEvent::TenantConfigured(configured) => {
            let (tenant, _) = tables.find_or_insert("tenant", row(commit));
            tenant.set("requests_per_s", i64::from(configured.requests_per_s));
            tenant.set("position", commit.position);
        }
    }
}

/// What somebody said of a guest; answers the event's type and what a timeline says of it.
fn said(tables: &mut Tables, commit: &Commit, event: &GuestEvent) -> (&'static str, String) {
    match event {
        GuestEvent::GuestRegistered(registered) => {
            identity::register(tables, commit, registered);
            registration(tables, commit, registered);
            ("GuestRegistered", timeline::namespaces(registered))
        }
        GuestEvent::GuestUpdated(updated) => {
            update(tables, commit, "attributes", object(&updated.attributes));
            ("GuestUpdated", timeline::changed(updated))
        }
        GuestEvent::GuestActivated(_) => {
            update(tables, commit, "is_active", true);
            ("GuestActivated", "{}".to_owned())
        }
        GuestEvent::GuestDeactivated(_) => {
            update(tables, commit, "is_active", false);
            ("GuestDeactivated", "{}".to_owned())
        }
        GuestEvent::GuestMerged(_)
        | GuestEvent::GuestAbsorbed(_)
        | GuestEvent::GuestUnmerged(_)
        | GuestEvent::GuestRestored(_)
        | GuestEvent::IdentifierLinked(_)
        | GuestEvent::IdentifierUnlinked(_)
        | GuestEvent::IdentityConflictDetected(_) => panic!("{event:?} is about who is whom"),
    }
}

/// The columns every table has.
fn row(commit: &Commit) -> Row {
    Row::default().with("tenant", &commit.tenant).with("pp", commit.pp).with("position", commit.position)
}

/// The columns every table about guests has.
fn guest(commit: &Commit) -> Row {
    row(commit).with("guest_id", &commit.owner)
}

fn tenant(tables: &mut Tables, commit: &Commit, provisioned: &TenantProvisioned) {
    let row = row(commit).with("name", &provisioned.name).with("provisioned_at", commit.recorded_at);
    let row = row.with("requests_per_s", 0);
    tables.insert("tenant", row.with("suspended_at", Cell::Null).with("suspension_reason", Cell::Null));
}

fn standing(tables: &mut Tables, commit: &Commit, suspended_at: Cell, reason: Cell) {
    let (tenant, is_new) = tables.find_or_insert("tenant", row(commit));
    assert!(!is_new, "{} was suspended or resumed before it was provisioned", commit.tenant);
    tenant.set("suspended_at", suspended_at);
    tenant.set("suspension_reason", reason);
    tenant.set("position", commit.position);
}

/// The guest's profile, which this commit is the last to touch.
fn profile<'a>(tables: &'a mut Tables, commit: &Commit) -> &'a mut Row {
    let nothing = guest(commit).with("attributes", Cell::Null).with("interaction_count", 0).with("version", 0);
    let nothing = nothing.with("registered_at", Cell::Null).with("updated_at", Cell::Null);
    let nothing = nothing.with("is_active", Cell::Null);
    let nothing = nothing.with("first_seen_at", Cell::Null).with("last_seen_at", Cell::Null);
    let (profile, _) = tables.find_or_insert("profile", nothing);
    profile.set("position", commit.position);
    profile
}

fn registration(tables: &mut Tables, commit: &Commit, registered: &GuestRegistered) {
    let profile = profile(tables, commit);
    profile.set("attributes", object(&registered.attributes));
    profile.set("registered_at", commit.recorded_at);
    profile.set("updated_at", commit.recorded_at);
    profile.set("is_active", true);
    profile.set("version", commit.version);
}

/// What somebody says of a guest who is registered.
fn update(tables: &mut Tables, commit: &Commit, column: &'static str, cell: impl Into<Cell>) {
    let profile = profile(tables, commit);
    profile.set(column, cell);
    profile.set("updated_at", commit.recorded_at);
    profile.set("version", commit.version);
}

fn activity(tables: &mut Tables, commit: &Commit, recorded: &InteractionRecorded) {
    let profile = profile(tables, commit);
    profile.count("interaction_count");
    profile.earliest("first_seen_at", occurred_at(recorded));
    profile.latest("last_seen_at", occurred_at(recorded));
}

fn interaction(tables: &mut Tables, commit: &Commit, event_id: &str, recorded: &InteractionRecorded) {
    let row = guest(commit).with("interaction_id", event_id).with("kind", &recorded.kind);
    let row = row.with("topic", &recorded.topic).with("topic_key", topic_key(&recorded.topic).as_str());
    let row = row.with("occurred_at", occurred_at(recorded)).with("recorded_at", commit.recorded_at);
    let row = row.with("occurred_at_offset_minutes", i64::from(recorded.occurred_at_offset_minutes));
    let told_at = recorded.told_at.as_ref().map_or(Cell::Null, |at| time(Some(at)).into());
    let row = row.with("context", object(&recorded.context)).with("told_at", told_at);
    tables.insert("interaction", row.with("properties", object(&recorded.properties)));
}

fn topic(tables: &mut Tables, commit: &Commit, recorded: &InteractionRecorded) {
    let topic_key = topic_key(&recorded.topic);
    if topic_key.is_empty() {
        return;
    }
    let nothing = guest(commit).with("topic_key", &topic_key).with("interaction_count", 0);
    let (guest, guest_is_new) = tables.find_or_insert("topic_guest", nothing);
    count_for_topic(guest, commit, recorded);
    let nothing = row(commit).with("topic_key", &topic_key).with("interaction_count", 0).with("guest_count", 0);
    let (summary, _) = tables.find_or_insert("topic_summary", nothing);
    count_for_topic(summary, commit, recorded);
    if guest_is_new {
        summary.count("guest_count");
    }
}

fn count_for_topic(row: &mut Row, commit: &Commit, recorded: &InteractionRecorded) {
    row.count("interaction_count");
    row.earliest("first_at", occurred_at(recorded));
    row.latest("last_at", occurred_at(recorded));
    row.set("position", commit.position);
}

fn occurred_at(recorded: &InteractionRecorded) -> DateTime<Utc> {
    time(recorded.occurred_at.as_ref())
}

/// Events leave an empty object out.
fn object(json: &str) -> &str {
    if json.is_empty() { "{}" } else { json }
}

/// Trimmed, then in lower case, then in NFC.
fn topic_key(topic: &str) -> String {
    let mut key = String::new();
    for c in topic.trim().to_lowercase().nfc() {
        key.push(c);
    }
    key
}

/// FNV-1a of 32 bits over the tenant and then the owner, modulo 64.
fn partition(tenant: &str, owner: &str) -> i64 {
    let mut hash = 2_166_136_261_u32;
    for byte in format!("{tenant}{owner}").bytes() {
        hash = (hash ^ u32::from(byte)).wrapping_mul(16_777_619);
    }
    i64::from(hash % 64)
}

/// The first eight bytes of the id's SHA-256, big end first, as the signed number a column takes.
fn command_hash(command_id: &str) -> i64 {
    let mut hash = 0_u64;
    for byte in &Sha256::digest(command_id)[..8] {
        hash = (hash << 8) | u64::from(*byte);
    }
    hash.cast_signed()
}
