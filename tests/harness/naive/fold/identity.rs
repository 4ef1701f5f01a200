//! What commits do to the tables of who is whom.

use proto::guest::event::Kind as GuestEvent;
use proto::guest::{GuestMerged, GuestRegistered, GuestUnmerged, Identifier, IdentityConflictDetected};

use super::{guest, object, partition, profile, timeline};
use crate::harness::naive::log::Commit;
use crate::harness::naive::table::{Row, Tables};

/// What an event says of who is whom: its type, and what a timeline says of it. `None` for all others.
pub(super) fn fold(
    tables: &mut Tables,
    commit: &Commit,
    index: usize,
    event_id: &str,
    event: &GuestEvent,
) -> Option<(&'static str, String)> {
    Some(match event {
        GuestEvent::GuestMerged(merged) => {
            merge(tables, commit, merged);
            if !merged.attributes.is_empty() {
                profile(tables, commit).set("attributes", &merged.attributes);
            }
            ("GuestMerged", timeline::absorbed_ids(merged))
        }
        GuestEvent::GuestAbsorbed(absorbed) => {
            read_as(tables, commit, &absorbed.survivor_id);
            ("GuestAbsorbed", timeline::survivor_id(&absorbed.survivor_id))
        }
        GuestEvent::GuestUnmerged(unmerged) => {
            unmerge(tables, commit, unmerged);
            profile(tables, commit).set("attributes", object(&unmerged.attributes));
            ("GuestUnmerged", timeline::restored_ids(unmerged))
        }
        GuestEvent::GuestRestored(restored) => {
            read_as(tables, commit, &commit.owner);
            ("GuestRestored", timeline::survivor_id(&restored.survivor_id))
        }
        GuestEvent::IdentifierLinked(linked) => {
            let identifier = linked.identifier.as_ref().expect("one");
            link(tables, commit, identifier);
            touch(tables, commit);
            ("IdentifierLinked", timeline::namespace(identifier))
        }
        GuestEvent::IdentifierUnlinked(unlinked) => {
            let identifier = unlinked.identifier.as_ref().expect("one");
            unlink(tables, commit, identifier);
            ("IdentifierUnlinked", timeline::namespace(identifier))
        }
        GuestEvent::IdentityConflictDetected(told) => {
            conflict(tables, commit, index, event_id, told);
            ("IdentityConflictDetected", timeline::conflict(told))
        }
        GuestEvent::GuestRegistered(_)
        | GuestEvent::GuestUpdated(_)
        | GuestEvent::GuestActivated(_)
        | GuestEvent::GuestDeactivated(_) => return None,
    })
}

pub(super) fn register(tables: &mut Tables, commit: &Commit, registered: &GuestRegistered) {
    let row = guest(commit).with("canonical_id", &commit.owner).with("canonical_pp", commit.pp);
    tables.insert("identity", row.with("registered_at", commit.recorded_at));
    for identifier in &registered.identifiers {
        link(tables, commit, identifier);
    }
}

fn link(tables: &mut Tables, commit: &Commit, identifier: &Identifier) {
    tables.insert("identity_identifier", known_as(commit, identifier).with("linked_at", commit.recorded_at));
}

fn unlink(tables: &mut Tables, commit: &Commit, identifier: &Identifier) {
    tables.remove("identity_identifier", &known_as(commit, identifier));
    touch(tables, commit);
}

fn known_as(commit: &Commit, identifier: &Identifier) -> Row {
    guest(commit).with("namespace", &identifier.namespace).with("value", &identifier.value)
}

/// The guest's own row is as new as the last commit that changed any of its rows here.
fn touch(tables: &mut Tables, commit: &Commit) {
    let (row, is_new) = tables.find_or_insert("identity", guest(commit));
    assert!(!is_new, "{} was changed before it was registered", commit.owner);
    row.set("position", commit.position);
}

fn merge(tables: &mut Tables, commit: &Commit, merged: &GuestMerged) {
    for absorbed_id in &merged.absorbed_ids {
        let row = guest(commit).with("absorbed_id", absorbed_id);
        tables.insert("identity_absorbed", row.with("absorbed_pp", partition(&commit.tenant, absorbed_id)));
    }
    touch(tables, commit);
}

fn unmerge(tables: &mut Tables, commit: &Commit, unmerged: &GuestUnmerged) {
    for restored_id in &unmerged.restored_ids {
        tables.remove("identity_absorbed", &guest(commit).with("absorbed_id", restored_id));
    }
    touch(tables, commit);
}

fn read_as(tables: &mut Tables, commit: &Commit, canonical_id: &str) {
    touch(tables, commit);
    let (row, _) = tables.find_or_insert("identity", guest(commit));
    row.set("canonical_id", canonical_id);
    row.set("canonical_pp", partition(&commit.tenant, canonical_id));
}

fn conflict(tables: &mut Tables, commit: &Commit, index: usize, event_id: &str, told: &IdentityConflictDetected) {
    let row = guest(commit).with("event_index", i64::try_from(index).expect("a commit has few events"));
    let row = row.with("event_id", event_id).with("other_id", &told.other_id).with("namespace", &told.namespace);
    tables.insert("identity_conflict", row.with("reason", &told.reason).with("detected_at", commit.recorded_at));
    touch(tables, commit);
}
