//! Everything that happened to a guest, one row per event.

use chrono::{DateTime, Utc};
use deadpool_postgres::ClientWrapper;
use proto::Event;
use proto::guest::event::Kind as GuestEvent;
use proto::guest::{Identifier, IdentifierLinked, IdentifierUnlinked, IdentityConflictDetected};
use proto::interactions::InteractionRecorded;
use proto::interactions::event::Kind as InteractionEvent;
use proto::subject::{Owner, Tenant};
use serde_json::{Value, json};

use crate::error::{Fault, Unfoldable};
use crate::open::{Opened, instant};
use crate::projection::{Facets, Projection, by_key, column, write};

/// A plain insert: were an event ever folded twice, its second row would be refused and seen.
const INSERT: &str = "
-- insert_timeline()
INSERT INTO timeline (tenant, guest_id, position, event_index, event_id, event_type, pp, occurred_at, recorded_at, summary)
SELECT tenant, guest_id, position, event_index, event_id, event_type, pp, occurred_at, recorded_at, summary
FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::smallint[], $5::text[], $6::text[], $7::smallint[], $8::timestamptz[],
            $9::timestamptz[], $10::json[])
  AS e (tenant, guest_id, position, event_index, event_id, event_type, pp, occurred_at, recorded_at, summary)";

#[derive(Default)]
pub(crate) struct Timeline(Vec<Row>);

#[derive(Debug, PartialEq)]
struct Row {
    tenant: Tenant,
    guest_id: Owner,
    position: i64,
    event_index: i16,
    event_id: String,
    event_type: &'static str,
    pp: i16,
    occurred_at: DateTime<Utc>,
    recorded_at: DateTime<Utc>,
    summary: Value,
}

/// What one event adds to its guest's timeline.
struct Entry {
    occurred_at: DateTime<Utc>,
    summary: Value,
}

impl Entry {
    /// `None` for what happened to no guest.
    fn of(commit: &Opened, event: &Event) -> Result<Option<Self>, Unfoldable> {
        Ok(match event {
            Event::Guest(GuestEvent::GuestRegistered(registered)) => {
                Some(Self { occurred_at: commit.recorded_at, summary: namespaces(&registered.identifiers) })
            }
            Event::Guest(GuestEvent::GuestMerged(merged)) => {
                Some(Self { occurred_at: commit.recorded_at, summary: json!({ "absorbed_ids": merged.absorbed_ids }) })
            }
            Event::Guest(GuestEvent::GuestAbsorbed(absorbed)) => {
                Some(Self { occurred_at: commit.recorded_at, summary: json!({ "survivor_id": absorbed.survivor_id }) })
            }
            Event::Guest(GuestEvent::GuestUnmerged(unmerged)) => Some(Self {
                occurred_at: commit.recorded_at,
                summary: json!({ "restored_ids": unmerged.restored_ids }),
            }),
            Event::Guest(GuestEvent::GuestRestored(restored)) => {
                Some(Self { occurred_at: commit.recorded_at, summary: json!({ "survivor_id": restored.survivor_id }) })
            }
            Event::Guest(
                GuestEvent::IdentifierLinked(IdentifierLinked { identifier })
                | GuestEvent::IdentifierUnlinked(IdentifierUnlinked { identifier }),
            ) => Some(Self { occurred_at: commit.recorded_at, summary: namespaces(identifier) }),
            Event::Guest(GuestEvent::IdentityConflictDetected(conflict)) => {
                let IdentityConflictDetected { other_id, namespace, reason } = conflict;
                let summary = json!({ "other_id": other_id, "namespace": namespace, "reason": reason });
                Some(Self { occurred_at: commit.recorded_at, summary })
            }
            // Names of attributes and none of their values.
            Event::Guest(GuestEvent::GuestUpdated(updated)) => {
                Some(Self { occurred_at: commit.recorded_at, summary: json!({ "changed": updated.changed }) })
            }
            Event::Guest(GuestEvent::GuestActivated(_) | GuestEvent::GuestDeactivated(_)) => {
                Some(Self { occurred_at: commit.recorded_at, summary: json!({}) })
            }
            Event::Interactions(InteractionEvent::InteractionRecorded(recorded)) => Some(Self {
                occurred_at: instant("occurred_at", recorded.occurred_at.as_ref())?,
                summary: kind_and_topic(recorded),
            }),
            Event::Tenant(_) => None,
        })
    }
}

/// Without the identifiers' values: each copy of one is one more to protect.
fn namespaces<'a>(identifiers: impl IntoIterator<Item = &'a Identifier> + 'a) -> Value {
    json!({ "identifiers": column(identifiers, |identifier| identifier.namespace.as_str()) })
}

fn kind_and_topic(recorded: &InteractionRecorded) -> Value {
    match (recorded.kind.as_str(), recorded.topic.as_str()) {
        (kind, "") => json!({ "kind": kind }),
        (kind, topic) => json!({ "kind": kind, "topic": topic }),
    }
}

impl Projection for Timeline {
    const NAME: &'static str = "timeline";
    const FACETS: Facets = Facets::These(&["guest", "interactions"]);

    fn fold(&mut self, commit: &Opened) -> Result<(), Unfoldable> {
        for (index, event) in commit.events.iter().enumerate() {
            let Some(Entry { occurred_at, summary }) = Entry::of(commit, &event.event)? else { continue };
            self.0.push(Row {
                tenant: commit.subject.tenant.clone(),
                guest_id: commit.subject.owner.clone(),
                position: commit.position,
                event_index: i16::try_from(index).map_err(|_| Unfoldable::Field("event_index"))?,
                event_id: event.id.clone(),
                event_type: event.event.event_type().name,
                pp: commit.pp,
                occurred_at,
                recorded_at: commit.recorded_at,
                summary,
            });
        }
        Ok(())
    }

    async fn flush(&self, connection: &ClientWrapper) -> Result<(), Fault> {
        let rows = by_key(&self.0, |row| (&row.tenant, &row.guest_id, row.position));
        let tenants = column(&rows, |row| row.tenant.as_str());
        let guests = column(&rows, |row| row.guest_id.as_str());
        let positions = column(&rows, |row| row.position);
        let indexes = column(&rows, |row| row.event_index);
        let ids = column(&rows, |row| row.event_id.as_str());
        let types = column(&rows, |row| row.event_type);
        let pps = column(&rows, |row| row.pp);
        let occurred_at = column(&rows, |row| row.occurred_at);
        let recorded_at = column(&rows, |row| row.recorded_at);
        let summaries = column(&rows, |row| &row.summary);
        let columns = [
            &tenants as _,
            &guests as _,
            &positions as _,
            &indexes as _,
            &ids as _,
            &types as _,
            &pps as _,
            &occurred_at as _,
            &recorded_at as _,
            &summaries as _,
        ];
        write::<Self>(connection, INSERT, &columns, rows.len()).await
    }
}

#[cfg(test)]
mod specs {
    use vault::OpenedEvent;

    use super::*;
    use crate::given::{
        RECORDED_AT, absorbed, fold, guest, identified, interacted, interaction, merged, provisioned, try_fold,
    };

    #[test]
    fn an_interaction_is_shown_by_its_kind_and_topic_at_the_callers_time() {
        let batch: Timeline = fold([interacted(3, guest(1), interaction(853_023_600, |_| {}))]);
        let [row] = &batch.0[..] else { panic!("one row") };
        assert_eq!((row.event_type, row.event_id.as_str()), ("InteractionRecorded", "evt_3"));
        assert_eq!((row.occurred_at.timestamp(), row.recorded_at), (853_023_600, RECORDED_AT));
        assert_eq!(row.summary, json!({ "kind": "order.created", "topic": "music" }));
    }

    #[test]
    fn an_interaction_about_nothing_in_particular_has_no_topic() {
        let batch: Timeline = fold([interacted(3, guest(1), interaction(0, |recorded| recorded.topic.clear()))]);
        assert_eq!(batch.0[0].summary, json!({ "kind": "order.created" }));
    }

    #[test]
    fn a_registration_is_shown_without_any_identifiers_value() {
        let batch: Timeline = fold([identified(5, guest(1), &[("user_id", "00001"), ("email", "ada@example.com")])]);
        let [row] = &batch.0[..] else { panic!("one row") };
        assert_eq!((row.event_type, row.occurred_at), ("GuestRegistered", RECORDED_AT));
        assert_eq!(row.summary, json!({ "identifiers": ["user_id", "email"] }));
    }

    #[test]
    fn a_merge_is_shown_on_both_sides_by_the_other_side() {
        let batch: Timeline = fold([merged(5, guest(1), &[guest(2)]), absorbed(6, guest(2), &guest(1))]);
        let shown = column(&batch.0, |row| (row.event_type, row.occurred_at, row.summary.clone()));
        let others = json!({ "absorbed_ids": [guest(2).as_str()] });
        let survivor = json!({ "survivor_id": guest(1).as_str() });
        assert_eq!(shown, [("GuestMerged", RECORDED_AT, others), ("GuestAbsorbed", RECORDED_AT, survivor)]);
    }

    #[test]
    fn the_events_of_one_commit_keep_their_order() {
        let mut commit = identified(5, guest(1), &[]);
        let second = interacted(5, guest(1), interaction(0, |_| {})).events.remove(0);
        commit.events.push(OpenedEvent { id: "evt_5b".to_owned(), ..second });
        let batch: Timeline = fold([commit]);
        let places = column(&batch.0, |row| (row.position, row.event_index, row.event_id.as_str()));
        assert_eq!(places, [(5, 0, "evt_5"), (5, 1, "evt_5b")]);
    }

    #[test]
    fn what_happens_to_a_tenant_is_in_no_guests_timeline() {
        assert!(fold::<Timeline>([provisioned(1, "Music shop")]).0.is_empty());
    }

    #[test]
    fn an_interaction_without_time_is_not_skipped_but_refused() {
        let timeless = interaction(0, |recorded| recorded.occurred_at = None);
        let refused = try_fold::<Timeline>([interacted(3, guest(1), timeless)]);
        assert!(matches!(refused, Err(Unfoldable::Field("occurred_at"))));
    }
}
