//! What is known of a guest at a glance.

use proto::subject::{Owner, Tenant};
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use deadpool_postgres::ClientWrapper;
use proto::Event;
use proto::guest::event::Kind as GuestEvent;
use proto::interactions::InteractionRecorded;
use proto::interactions::event::Kind as InteractionEvent;

use crate::error::{Fault, Unfoldable};
use crate::open::{Opened, instant};
use crate::projection::{Facets, Projection, column, object, write};

/// LEAST, GREATEST and COALESCE pass over NULL, which is what the batch does not say.
const UPSERT: &str = "
-- upsert_profiles()
INSERT INTO profile AS p (tenant, guest_id, pp, attributes, registered_at, updated_at, is_active, interaction_count, first_seen_at,
                               last_seen_at, version, position)
SELECT tenant, guest_id, pp, attributes::json, registered_at, updated_at, is_active, interaction_count, first_seen_at, last_seen_at,
       version, position
FROM UNNEST($1::text[], $2::text[], $3::smallint[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::boolean[], $8::bigint[],
            $9::timestamptz[], $10::timestamptz[], $11::bigint[], $12::bigint[])
  AS g (tenant, guest_id, pp, attributes, registered_at, updated_at, is_active, interaction_count, first_seen_at, last_seen_at,
        version, position)
ON CONFLICT (tenant, guest_id) DO UPDATE SET
  attributes = COALESCE(excluded.attributes, p.attributes),
  registered_at = LEAST(p.registered_at, excluded.registered_at),
  updated_at = COALESCE(excluded.updated_at, p.updated_at),
  is_active = COALESCE(excluded.is_active, p.is_active),
  interaction_count = p.interaction_count + excluded.interaction_count,
  first_seen_at = LEAST(p.first_seen_at, excluded.first_seen_at),
  last_seen_at = GREATEST(p.last_seen_at, excluded.last_seen_at),
  version = GREATEST(p.version, excluded.version),
  position = excluded.position
WHERE p.position < excluded.position";

#[derive(Default)]
pub(crate) struct Profile(BTreeMap<(Tenant, Owner), Change>);

/// What a batch changes of one profile.
#[derive(Clone, Debug, Default, PartialEq)]
struct Change {
    pp: i16,
    attributes: Option<String>,
    registered_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
    is_active: Option<bool>,
    interaction_count: i64,
    first_seen_at: Option<DateTime<Utc>>,
    last_seen_at: Option<DateTime<Utc>>,
    version: i64,
    position: i64,
}

impl Change {
    fn interacted(&mut self, recorded: &InteractionRecorded) -> Result<(), Unfoldable> {
        let at = instant("occurred_at", recorded.occurred_at.as_ref())?;
        self.interaction_count += 1;
        self.first_seen_at = Some(self.first_seen_at.map_or(at, |first| first.min(at)));
        self.last_seen_at = Some(self.last_seen_at.map_or(at, |last| last.max(at)));
        Ok(())
    }
}

impl Profile {
    fn of(&mut self, commit: &Opened) -> &mut Change {
        let guest = (commit.subject.tenant.clone(), commit.subject.owner.clone());
        let change = self.0.entry(guest).or_default();
        (change.pp, change.position) = (commit.pp, commit.position);
        change
    }

    fn update(&mut self, commit: &Opened) -> &mut Change {
        let change = self.of(commit);
        (change.updated_at, change.version) = (Some(commit.recorded_at), commit.version);
        change
    }
}

impl Projection for Profile {
    const NAME: &'static str = "profile";
    const FACETS: Facets = Facets::These(&["guest", "interactions"]);

    fn fold(&mut self, commit: &Opened) -> Result<(), Unfoldable> {
        for event in &commit.events {
            match &event.event {
                Event::Guest(GuestEvent::GuestRegistered(registered)) => {
                    let change = self.update(commit);
                    change.attributes = Some(registered.attributes.clone());
                    (change.registered_at, change.is_active) = (Some(commit.recorded_at), Some(true));
                }
                Event::Guest(GuestEvent::GuestUpdated(updated)) => {
                    self.update(commit).attributes = Some(updated.attributes.clone());
                }
                Event::Guest(GuestEvent::GuestActivated(_)) => self.update(commit).is_active = Some(true),
                Event::Guest(GuestEvent::GuestDeactivated(_)) => self.update(commit).is_active = Some(false),
                // What is known of them together is the survivor's; what each did stays its own, and a read combines it.
                Event::Guest(GuestEvent::GuestMerged(merged)) => {
                    let change = self.of(commit);
                    change.version = commit.version;
                    if !merged.attributes.is_empty() {
                        change.attributes = Some(merged.attributes.clone());
                    }
                }
                Event::Guest(GuestEvent::GuestUnmerged(unmerged)) => {
                    let change = self.of(commit);
                    (change.version, change.attributes) = (commit.version, Some(unmerged.attributes.clone()));
                }
                Event::Guest(
                    GuestEvent::GuestAbsorbed(_)
                    | GuestEvent::GuestRestored(_)
                    | GuestEvent::IdentifierLinked(_)
                    | GuestEvent::IdentifierUnlinked(_)
                    | GuestEvent::IdentityConflictDetected(_),
                ) => {
                    self.of(commit).version = commit.version;
                }
                Event::Interactions(InteractionEvent::InteractionRecorded(recorded)) => {
                    self.of(commit).interacted(recorded)?;
                }
                Event::Tenant(_) => {}
            }
        }
        Ok(())
    }

    async fn flush(&self, connection: &ClientWrapper) -> Result<(), Fault> {
        let tenants = column(self.0.keys(), |(tenant, _)| tenant.as_str());
        let guests = column(self.0.keys(), |(_, guest_id)| guest_id.as_str());
        let pps = column(self.0.values(), |change| change.pp);
        let attributes = column(self.0.values(), |change| change.attributes.as_deref().map(object));
        let registered_at = column(self.0.values(), |change| change.registered_at);
        let updated_at = column(self.0.values(), |change| change.updated_at);
        let is_active = column(self.0.values(), |change| change.is_active);
        let counts = column(self.0.values(), |change| change.interaction_count);
        let first_seen_at = column(self.0.values(), |change| change.first_seen_at);
        let last_seen_at = column(self.0.values(), |change| change.last_seen_at);
        let versions = column(self.0.values(), |change| change.version);
        let positions = column(self.0.values(), |change| change.position);
        let columns = [
            &tenants as _,
            &guests as _,
            &pps as _,
            &attributes as _,
            &registered_at as _,
            &updated_at as _,
            &is_active as _,
            &counts as _,
            &first_seen_at as _,
            &last_seen_at as _,
            &versions as _,
            &positions as _,
        ];
        write::<Self>(connection, UPSERT, &columns, self.0.len()).await
    }
}

#[cfg(test)]
mod specs {
    use super::*;
    use crate::given::{
        RECORDED_AT, absorbed, activated, deactivated, fold, guest, interacted, interaction, merged, merged_with,
        provisioned, registered, restored, unmerged, updated,
    };

    fn only(batch: &Profile) -> &Change {
        let [change] = batch.0.values().collect::<Vec<_>>()[..] else { panic!("one guest") };
        change
    }

    #[test]
    fn commits_of_one_guest_become_one_change() {
        let at = |position, seconds| interacted(position, guest(1), interaction(seconds, |_| {}));
        let batch = fold([registered(4, guest(1), r#"{"tier":1.0}"#), at(5, 50), at(6, 10), at(7, 90)]);
        let change = only(&batch).clone();
        assert_eq!(change.attributes.as_deref(), Some(r#"{"tier":1.0}"#));
        assert_eq!((change.registered_at, change.version), (Some(RECORDED_AT), 1));
        assert_eq!((change.interaction_count, change.position), (3, 7));
        let seen = [change.first_seen_at, change.last_seen_at].map(|at| at.map(|at| at.timestamp()));
        assert_eq!(seen, [Some(10), Some(90)]);
    }

    #[test]
    fn what_is_said_last_of_a_guest_counts() {
        let batch = fold([
            registered(4, guest(1), r#"{"tier":1.0}"#),
            updated(5, guest(1), r#"{"tier":2.0}"#),
            deactivated(6, guest(1)),
            interacted(7, guest(1), interaction(0, |_| {})),
        ]);
        let change = only(&batch);
        assert_eq!((change.attributes.as_deref(), change.is_active), (Some(r#"{"tier":2.0}"#), Some(false)));
        assert_eq!((change.registered_at, change.updated_at), (Some(RECORDED_AT), Some(RECORDED_AT)));
        assert_eq!((change.interaction_count, change.position), (1, 7));
        let alone: Profile = fold([activated(8, guest(1))]);
        assert_eq!(
            (only(&alone).is_active, &only(&alone).attributes, only(&alone).registered_at),
            (Some(true), &None, None)
        );
    }

    #[test]
    fn an_interaction_leaves_registration_and_version_alone() {
        let batch = fold([interacted(9, guest(1), interaction(0, |_| {}))]);
        let change = only(&batch);
        assert_eq!((change.version, &change.attributes, change.registered_at), (0, &None, None));
    }

    #[test]
    fn a_merge_changes_the_version_of_either_guest_and_nothing_else() {
        let batch: Profile = fold([merged(5, guest(1), &[guest(2)]), absorbed(6, guest(2), &guest(1))]);
        let changes = column(batch.0.values(), |change| (change.version, change.position, &change.attributes));
        assert_eq!(changes, [(1, 5, &None), (1, 6, &None)]);
    }

    #[test]
    fn what_is_known_of_guests_together_is_the_survivors_until_they_are_apart() {
        let batch: Profile = fold([merged_with(5, guest(1), &guest(2), r#"{"tier":1.0}"#)]);
        let change = only(&batch);
        assert_eq!((change.attributes.as_deref(), change.updated_at), (Some(r#"{"tier":1.0}"#), None));
        let batch: Profile = fold([unmerged(7, guest(1), &[guest(2)])]);
        assert_eq!((only(&batch).attributes.as_deref(), only(&batch).position), (Some(""), 7));
        let batch: Profile = fold([restored(8, guest(2), &guest(1))]);
        assert_eq!((&only(&batch).attributes, only(&batch).version), (&None, 1));
    }

    #[test]
    fn a_tenant_is_no_guest() {
        assert!(fold::<Profile>([provisioned(1, "Music shop")]).0.is_empty());
    }
}
