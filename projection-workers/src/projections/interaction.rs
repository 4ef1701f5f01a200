//! Every interaction of every guest.

use chrono::{DateTime, Utc};
use deadpool_postgres::ClientWrapper;
use proto::Event;
use proto::interactions::InteractionRecorded;
use proto::interactions::event::Kind as InteractionEvent;
use proto::subject::{Owner, Tenant};
use vault::OpenedEvent;

use crate::error::{Fault, Unfoldable};
use crate::open::{Opened, instant};
use crate::projection::{Facets, Projection, by_key, column, object, write};

/// A plain insert: were an event ever folded twice, its second row would be refused and seen.
const INSERT: &str = "
-- insert_interactions()
INSERT INTO interaction (tenant, guest_id, occurred_at, interaction_id, pp, kind, topic, topic_key,
                              occurred_at_offset_minutes, recorded_at, properties, context, told_at, position)
SELECT tenant, guest_id, occurred_at, interaction_id, pp, kind, topic, topic_key, offset_minutes, recorded_at,
       properties::json, context::json, told_at, position
FROM UNNEST($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::smallint[], $6::text[], $7::text[], $8::text[],
            $9::smallint[], $10::timestamptz[], $11::text[], $12::text[], $13::timestamptz[], $14::bigint[])
  AS i (tenant, guest_id, occurred_at, interaction_id, pp, kind, topic, topic_key, offset_minutes, recorded_at, properties,
        context, told_at, position)";

#[derive(Default)]
pub(crate) struct Interaction(Vec<Row>);

#[derive(Debug, PartialEq)]
struct Row {
    tenant: Tenant,
    guest_id: Owner,
    occurred_at: DateTime<Utc>,
    interaction_id: String,
    pp: i16,
    kind: String,
    topic: String,
    topic_key: String,
    offset_minutes: i16,
    recorded_at: DateTime<Utc>,
    properties: String,
    context: String,
    told_at: Option<DateTime<Utc>>,
    position: i64,
}

impl Row {
    fn of(commit: &Opened, event: &OpenedEvent, recorded: &InteractionRecorded) -> Result<Self, Unfoldable> {
        let offset_minutes = i16::try_from(recorded.occurred_at_offset_minutes);
        Ok(Self {
            tenant: commit.subject.tenant.clone(),
            guest_id: commit.subject.owner.clone(),
            occurred_at: instant("occurred_at", recorded.occurred_at.as_ref())?,
            interaction_id: event.id.clone(),
            pp: commit.pp,
            kind: recorded.kind.clone(),
            topic: recorded.topic.clone(),
            topic_key: schema::topic_key(&recorded.topic),
            offset_minutes: offset_minutes.map_err(|_| Unfoldable::Field("occurred_at_offset_minutes"))?,
            recorded_at: commit.recorded_at,
            properties: object(&recorded.properties).to_owned(),
            context: object(&recorded.context).to_owned(),
            told_at: recorded.told_at.as_ref().map(|at| instant("told_at", Some(at))).transpose()?,
            position: commit.position,
        })
    }
}

impl Projection for Interaction {
    const NAME: &'static str = "interaction";
    const FACETS: Facets = Facets::These(&["interactions"]);

    fn fold(&mut self, commit: &Opened) -> Result<(), Unfoldable> {
        for event in &commit.events {
            match &event.event {
                Event::Interactions(InteractionEvent::InteractionRecorded(recorded)) => {
                    self.0.push(Row::of(commit, event, recorded)?);
                }
                Event::Guest(_) | Event::Tenant(_) => {}
            }
        }
        Ok(())
    }

    async fn flush(&self, connection: &ClientWrapper) -> Result<(), Fault> {
        let rows = by_key(&self.0, |row| (&row.tenant, &row.guest_id, row.occurred_at));
        let tenants = column(&rows, |row| row.tenant.as_str());
        let guests = column(&rows, |row| row.guest_id.as_str());
        let occurred_at = column(&rows, |row| row.occurred_at);
        let ids = column(&rows, |row| row.interaction_id.as_str());
        let pps = column(&rows, |row| row.pp);
        let kinds = column(&rows, |row| row.kind.as_str());
        let topics = column(&rows, |row| row.topic.as_str());
        let topic_keys = column(&rows, |row| row.topic_key.as_str());
        let offsets = column(&rows, |row| row.offset_minutes);
        let recorded_at = column(&rows, |row| row.recorded_at);
        let properties = column(&rows, |row| row.properties.as_str());
        let contexts = column(&rows, |row| row.context.as_str());
        let told_at = column(&rows, |row| row.told_at);
        let positions = column(&rows, |row| row.position);
        let columns = [
            &tenants as _,
            &guests as _,
            &occurred_at as _,
            &ids as _,
            &pps as _,
            &kinds as _,
            &topics as _,
            &topic_keys as _,
            &offsets as _,
            &recorded_at as _,
            &properties as _,
            &contexts as _,
            &told_at as _,
            &positions as _,
        ];
        write::<Self>(connection, INSERT, &columns, rows.len()).await
    }
}

#[cfg(test)]
mod specs {
    use super::*;
    use crate::given::{guest, interacted, interaction, try_fold};

    #[test]
    fn an_interaction_keeps_what_the_caller_said() {
        let said = interaction(853_023_600, |recorded| {
            recorded.topic = "Music".to_owned();
            recorded.occurred_at_offset_minutes = -60;
            recorded.properties = r#"{"dollar_value":77.00}"#.to_owned();
        });
        let batch: Interaction = try_fold([interacted(3, guest(1), said)]).expect("folds");
        let [row] = &batch.0[..] else { panic!("one row") };
        assert_eq!((row.topic.as_str(), row.topic_key.as_str()), ("Music", "music"));
        assert_eq!((row.occurred_at.timestamp(), row.offset_minutes), (853_023_600, -60));
        assert_eq!((row.properties.as_str(), row.interaction_id.as_str()), (r#"{"dollar_value":77.00}"#, "evt_3"));
    }

    #[test]
    fn absent_properties_are_an_empty_object() {
        let batch: Interaction = try_fold([interacted(3, guest(1), interaction(0, |_| {}))]).expect("folds");
        assert_eq!(batch.0[0].properties, "{}");
    }

    #[test]
    fn an_interaction_without_time_is_not_skipped_but_refused() {
        let timeless = interaction(0, |recorded| recorded.occurred_at = None);
        let refused = try_fold::<Interaction>([interacted(3, guest(1), timeless)]);
        assert!(matches!(refused, Err(Unfoldable::Field("occurred_at"))));
    }
}
