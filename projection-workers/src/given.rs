//! Commits for the specs of projections: given these, folded, then these changes.

use chrono::{DateTime, Utc};
use proto::Event;
use proto::guest::event::Kind as GuestEvent;
use proto::guest::{
    GuestAbsorbed, GuestActivated, GuestDeactivated, GuestMerged, GuestRegistered, GuestRestored, GuestUnmerged,
    GuestUpdated, Identifier, IdentifierLinked, IdentifierUnlinked, IdentityConflictDetected,
};
use proto::interactions::InteractionRecorded;
use proto::interactions::event::Kind as InteractionEvent;
use proto::subject::{LogSubject, Owner};
use proto::tenant::event::Kind as TenantEvent;
use proto::tenant::{TenantConfigured, TenantProvisioned, TenantResumed, TenantSuspended};
use vault::OpenedEvent;

use crate::error::Unfoldable;
use crate::open::Opened;
use crate::projection::Projection;

pub(crate) const TENANT: &str = "shop";
pub(crate) const RECORDED_AT: DateTime<Utc> = DateTime::from_timestamp(1_800_000_000, 0).expect("in range");

pub(crate) fn guest(id: u128) -> Owner {
    Owner::guest(id)
}

pub(crate) fn try_fold<P: Projection>(commits: impl IntoIterator<Item = Opened>) -> Result<P, Unfoldable> {
    let mut batch = P::default();
    commits.into_iter().try_for_each(|commit| Projection::fold(&mut batch, &commit))?;
    Ok(batch)
}

pub(crate) fn fold<P: Projection>(commits: impl IntoIterator<Item = Opened>) -> P {
    try_fold(commits).expect("every commit folds")
}

fn commit(position: i64, owner: Owner, event: Event) -> Opened {
    let subject = LogSubject::new(TENANT.parse().expect("a token"), owner);
    let events = vec![OpenedEvent { id: format!("evt_{position}"), event }];
    let (pp, facet) = (subject.partition().into(), events[0].event.event_type().facet.to_owned());
    let command_id = format!("cmd_{position}");
    Opened { position, command_id, facet, subject, pp, version: 1, recorded_at: RECORDED_AT, events }
}

pub(crate) fn provisioned(position: i64, name: &str) -> Opened {
    let event = TenantEvent::TenantProvisioned(TenantProvisioned { name: name.to_owned() });
    commit(position, Owner::tenant(), Event::Tenant(event))
}

pub(crate) fn suspended(position: i64, reason: &str) -> Opened {
    let event = TenantEvent::TenantSuspended(TenantSuspended { reason: reason.to_owned() });
    commit(position, Owner::tenant(), Event::Tenant(event))
}

pub(crate) fn resumed(position: i64) -> Opened {
    commit(position, Owner::tenant(), Event::Tenant(TenantEvent::TenantResumed(TenantResumed {})))
}

pub(crate) fn configured(position: i64, requests_per_s: u32) -> Opened {
    let event = TenantEvent::TenantConfigured(TenantConfigured { requests_per_s });
    commit(position, Owner::tenant(), Event::Tenant(event))
}

pub(crate) fn registered(position: i64, guest: Owner, attributes: &str) -> Opened {
    let registered = GuestRegistered { attributes: attributes.to_owned(), ..GuestRegistered::default() };
    commit(position, guest, Event::Guest(GuestEvent::GuestRegistered(registered)))
}

pub(crate) fn updated(position: i64, guest: Owner, attributes: &str) -> Opened {
    let updated = GuestUpdated { attributes: attributes.to_owned(), changed: vec!["tier".to_owned()] };
    commit(position, guest, Event::Guest(GuestEvent::GuestUpdated(updated)))
}

pub(crate) fn activated(position: i64, guest: Owner) -> Opened {
    commit(position, guest, Event::Guest(GuestEvent::GuestActivated(GuestActivated {})))
}

pub(crate) fn deactivated(position: i64, guest: Owner) -> Opened {
    let deactivated = GuestDeactivated { reason: "moved away".to_owned() };
    commit(position, guest, Event::Guest(GuestEvent::GuestDeactivated(deactivated)))
}

pub(crate) fn identified(position: i64, guest: Owner, identifiers: &[(&str, &str)]) -> Opened {
    let identifiers = identifiers.iter().copied().map(identifier).collect();
    let registered = GuestRegistered { identifiers, ..GuestRegistered::default() };
    commit(position, guest, Event::Guest(GuestEvent::GuestRegistered(registered)))
}

fn identifier((namespace, value): (&str, &str)) -> Identifier {
    Identifier { namespace: namespace.to_owned(), value: value.to_owned() }
}

pub(crate) fn linked(position: i64, guest: Owner, known_as: (&str, &str)) -> Opened {
    let linked = IdentifierLinked { identifier: Some(identifier(known_as)) };
    commit(position, guest, Event::Guest(GuestEvent::IdentifierLinked(linked)))
}

pub(crate) fn unlinked(position: i64, guest: Owner, known_as: (&str, &str)) -> Opened {
    let unlinked = IdentifierUnlinked { identifier: Some(identifier(known_as)) };
    commit(position, guest, Event::Guest(GuestEvent::IdentifierUnlinked(unlinked)))
}

pub(crate) fn conflicted(position: i64, guest: Owner, other: &Owner) -> Opened {
    let (namespace, reason) = ("anonymous_id".to_owned(), "both_identified".to_owned());
    let conflict = IdentityConflictDetected { other_id: other.to_string(), namespace, reason };
    commit(position, guest, Event::Guest(GuestEvent::IdentityConflictDetected(conflict)))
}

pub(crate) fn merged(position: i64, survivor: Owner, absorbed: &[Owner]) -> Opened {
    let absorbed_ids = absorbed.iter().map(Owner::to_string).collect();
    let merged = GuestMerged { absorbed_ids, merge_id: "mrg_1".to_owned(), ..GuestMerged::default() };
    commit(position, survivor, Event::Guest(GuestEvent::GuestMerged(merged)))
}

pub(crate) fn absorbed(position: i64, guest: Owner, survivor: &Owner) -> Opened {
    let absorbed = GuestAbsorbed { survivor_id: survivor.to_string(), merge_id: "mrg_1".to_owned() };
    commit(position, guest, Event::Guest(GuestEvent::GuestAbsorbed(absorbed)))
}

/// With this known of both together.
pub(crate) fn merged_with(position: i64, survivor: Owner, absorbed: &Owner, attributes: &str) -> Opened {
    let absorbed_ids = vec![absorbed.to_string()];
    let (merge_id, attributes) = ("mrg_1".to_owned(), attributes.to_owned());
    let merged = GuestMerged { absorbed_ids, merge_id, attributes, ..GuestMerged::default() };
    commit(position, survivor, Event::Guest(GuestEvent::GuestMerged(merged)))
}

pub(crate) fn unmerged(position: i64, survivor: Owner, restored: &[Owner]) -> Opened {
    let restored_ids = restored.iter().map(Owner::to_string).collect();
    let unmerged = GuestUnmerged { restored_ids, merge_id: "mrg_1".to_owned(), ..GuestUnmerged::default() };
    commit(position, survivor, Event::Guest(GuestEvent::GuestUnmerged(unmerged)))
}

pub(crate) fn restored(position: i64, guest: Owner, survivor: &Owner) -> Opened {
    let restored = GuestRestored { survivor_id: survivor.to_string(), merge_id: "mrg_1".to_owned() };
    commit(position, guest, Event::Guest(GuestEvent::GuestRestored(restored)))
}

pub(crate) fn interaction(seconds: i64, change: impl FnOnce(&mut InteractionRecorded)) -> InteractionRecorded {
    let mut recorded = InteractionRecorded {
        kind: "order.created".to_owned(),
        topic: "music".to_owned(),
        occurred_at: Some(prost_types::Timestamp { seconds, nanos: 0 }),
        ..InteractionRecorded::default()
    };
    change(&mut recorded);
    recorded
}

pub(crate) fn interacted(position: i64, guest: Owner, recorded: InteractionRecorded) -> Opened {
    commit(position, guest, Event::Interactions(InteractionEvent::InteractionRecorded(recorded)))
}
