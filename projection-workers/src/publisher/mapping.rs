//! Which stored event is published under which name, and what it then says: the one place that knows.
//!
//! Only open fields are here to be named: what is sealed was never opened. Names are those other services know: never change one.

use chrono::{DateTime, FixedOffset, SecondsFormat};
use proto::guest::event::Kind as Guest;
use proto::interactions::InteractionRecorded;
use proto::interactions::event::Kind as Interactions;
use proto::subject::LogSubject;
use proto::tenant::event::Kind as Tenant;
use proto::{Event, EventFault, StoredEvent};
use serde_json::{Value, json};

/// What an event says to others.
#[derive(Debug, PartialEq)]
pub(super) struct Form {
    /// `guest.profile.created`
    pub(super) name: &'static str,
    /// Ids of ours, times and open fields; an object.
    pub(super) says: Value,
}

/// The event as far as its open fields tell it; the others are as if they were empty.
pub(super) fn readable(stored: &StoredEvent) -> Result<Event, EventFault> {
    Event::read(&stored.r#type, stored.schema_version, &stored.open)
}

/// `None` for what is nobody else's business.
pub(super) fn published(event: &Event, subject: &LogSubject) -> Option<Form> {
    let owner = subject.owner.as_str();
    match event {
        Event::Guest(Guest::GuestRegistered(_)) => form("guest.profile.created", json!({"guest_id": owner})),
        Event::Guest(Guest::GuestUpdated(updated)) => {
            let changed: Vec<_> = updated.changed.iter().map(|name| format!("attributes.{name}")).collect();
            form("guest.profile.updated", json!({"guest_id": owner, "changed": changed}))
        }
        Event::Guest(Guest::GuestActivated(_) | Guest::GuestDeactivated(_)) => {
            form("guest.profile.updated", json!({"guest_id": owner, "changed": ["is_active"]}))
        }
        Event::Guest(Guest::GuestMerged(merged)) => form(
            "guest.profile.merged",
            json!({"survivor_id": owner, "absorbed_ids": merged.absorbed_ids, "merge_id": merged.merge_id, "cause": merged.cause}),
        ),
        Event::Guest(Guest::GuestUnmerged(unmerged)) => form(
            "guest.profile.unmerged",
            json!({"survivor_id": owner, "restored_ids": unmerged.restored_ids, "merge_id": unmerged.merge_id}),
        ),
        Event::Guest(Guest::IdentifierLinked(_) | Guest::IdentifierUnlinked(_)) => {
            form("guest.profile.updated", json!({"guest_id": owner, "changed": ["identifiers"]}))
        }
        Event::Interactions(Interactions::InteractionRecorded(recorded)) => {
            form("guest.interaction.recorded", json!({"guest_id": owner, "occurred_at": occurred_at(recorded)}))
        }
        // A merge is told by the survivor's event, which names everybody; who is not taken for whom and what becomes of a tenant is
        // nobody else's business.
        Event::Guest(Guest::GuestAbsorbed(_) | Guest::GuestRestored(_) | Guest::IdentityConflictDetected(_))
        | Event::Tenant(
            Tenant::TenantProvisioned(_)
            | Tenant::TenantSuspended(_)
            | Tenant::TenantResumed(_)
            | Tenant::TenantConfigured(_),
        ) => None,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "an arm of the table is published or None")]
fn form(name: &'static str, says: Value) -> Option<Form> {
    Some(Form { name, says })
}

/// As the caller told it, offset included.
fn occurred_at(recorded: &InteractionRecorded) -> Option<String> {
    let at = recorded.occurred_at.as_ref()?;
    let at = DateTime::from_timestamp(at.seconds, u32::try_from(at.nanos).ok()?)?;
    let offset = FixedOffset::east_opt(recorded.occurred_at_offset_minutes * 60)?;
    Some(at.with_timezone(&offset).to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

#[cfg(test)]
mod tests {
    use proto::guest::{
        GuestAbsorbed, GuestDeactivated, GuestMerged, GuestRegistered, GuestRestored, GuestUnmerged, GuestUpdated,
        Identifier, IdentifierLinked, IdentifierUnlinked, IdentityConflictDetected,
    };
    use proto::subject::Owner;
    use proto::tenant::TenantProvisioned;

    use super::*;

    fn says(event: &Event) -> Option<(&'static str, String)> {
        let subject = LogSubject::new("shop".parse().expect("a token"), Owner::guest(7));
        published(event, &subject).map(|form| (form.name, form.says.to_string()))
    }

    #[test]
    fn a_registration_says_who_and_nothing_of_the_person() {
        let identifiers = vec![Identifier { namespace: "email".to_owned(), value: "ada".to_owned() }];
        let registered = GuestRegistered { identifiers, attributes: "{}".to_owned() };
        let (name, said) = says(&Event::Guest(Guest::GuestRegistered(registered))).expect("published");
        assert_eq!(name, "guest.profile.created");
        assert_eq!(said, format!(r#"{{"guest_id":"{}"}}"#, Owner::guest(7)));
    }

    #[test]
    fn an_update_names_what_changed_and_says_no_value() {
        let attributes = r#"{"plan":"canary"}"#.to_owned();
        let updated = GuestUpdated { attributes, changed: vec!["plan".to_owned()] };
        let (name, said) = says(&Event::Guest(Guest::GuestUpdated(updated))).expect("published");
        assert_eq!(name, "guest.profile.updated");
        assert!(said.contains(r#""changed":["attributes.plan"]"#) && !said.contains("canary"), "{said}");
        let deactivated = Guest::GuestDeactivated(GuestDeactivated { reason: "canary".to_owned() });
        let (name, said) = says(&Event::Guest(deactivated)).expect("published");
        assert_eq!(name, "guest.profile.updated");
        assert!(said.contains(r#""changed":["is_active"]"#) && !said.contains("canary"), "{said}");
    }

    #[test]
    fn an_interaction_says_when_with_the_offset_it_was_told_with() {
        let occurred_at = Some(prost_types::Timestamp { seconds: 0, nanos: 500_000_000 });
        let recorded = InteractionRecorded { occurred_at, occurred_at_offset_minutes: 90, ..Default::default() };
        let (name, said) = says(&Event::Interactions(Interactions::InteractionRecorded(recorded))).expect("published");
        assert_eq!(name, "guest.interaction.recorded");
        assert!(said.contains(r#""occurred_at":"1970-01-01T01:30:00.500+01:30""#), "{said}");
    }

    #[test]
    fn an_identifier_that_comes_or_goes_is_told_without_it() {
        let identifier = Some(Identifier { namespace: "email".to_owned(), value: "canary@example.com".to_owned() });
        let linked = Guest::IdentifierLinked(IdentifierLinked { identifier: identifier.clone() });
        let unlinked = Guest::IdentifierUnlinked(IdentifierUnlinked { identifier });
        for event in [linked, unlinked] {
            let (name, said) = says(&Event::Guest(event)).expect("published");
            assert_eq!(name, "guest.profile.updated");
            assert!(said.contains(r#""changed":["identifiers"]"#) && !said.contains("canary"), "{said}");
        }
    }

    #[test]
    fn a_merge_that_is_undone_is_told_by_the_survivor() {
        let (restored_ids, merge_id) = (vec!["prf_a".to_owned()], "mrg_1".to_owned());
        let unmerged = GuestUnmerged { restored_ids, merge_id, ..GuestUnmerged::default() };
        let (name, said) = says(&Event::Guest(Guest::GuestUnmerged(unmerged))).expect("published");
        assert_eq!(name, "guest.profile.unmerged");
        assert!(said.contains(r#""restored_ids":["prf_a"]"#) && said.contains(r#""merge_id":"mrg_1""#), "{said}");
        assert_eq!(says(&Event::Guest(Guest::GuestRestored(GuestRestored::default()))), None);
        let conflict = Guest::IdentityConflictDetected(IdentityConflictDetected::default());
        assert_eq!(says(&Event::Guest(conflict)), None);
    }

    #[test]
    fn a_merge_is_told_once_and_by_the_survivor() {
        let (absorbed_ids, merge_id) = (vec!["prf_a".to_owned()], "mrg_1".to_owned());
        let merged = GuestMerged { absorbed_ids, merge_id, cause: "merge".to_owned(), ..GuestMerged::default() };
        let (name, said) = says(&Event::Guest(Guest::GuestMerged(merged))).expect("published");
        assert_eq!(name, "guest.profile.merged");
        assert!(said.contains(r#""absorbed_ids":["prf_a"]"#) && said.contains(r#""merge_id":"mrg_1""#), "{said}");
        assert!(said.contains(&format!(r#""survivor_id":"{}""#, Owner::guest(7))), "{said}");
        assert_eq!(says(&Event::Guest(Guest::GuestAbsorbed(GuestAbsorbed::default()))), None);
        assert_eq!(says(&Event::Tenant(Tenant::TenantProvisioned(TenantProvisioned::default()))), None);
    }

    #[test]
    fn what_this_binary_does_not_know_is_no_event_without_a_form() {
        let stored = StoredEvent { r#type: "GuestTeleported".to_owned(), schema_version: 1, ..StoredEvent::default() };
        assert_eq!(readable(&stored), Err(EventFault::UnknownType("GuestTeleported".to_owned())));
    }
}
