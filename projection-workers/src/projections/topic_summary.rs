//! How much a tenant's guests interact with a topic.

use proto::subject::{Owner, Tenant};
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use deadpool_postgres::ClientWrapper;
use proto::Event;
use proto::interactions::InteractionRecorded;
use proto::interactions::event::Kind as InteractionEvent;

use crate::error::{Fault, Unfoldable};
use crate::open::{Opened, instant};
use crate::projection::{Facets, Projection, column, write};

/// A guest counts for a topic when its row is a new one (xmax = 0). A UNION, not a join: the planner guesses that an array has
/// ten elements, and a nested loop over thousands would take seconds.
const UPSERT: &str = "
-- upsert_topics()
WITH given AS (
  SELECT *
  FROM UNNEST($1::text[], $2::text[], $3::text[], $4::smallint[], $5::bigint[], $6::timestamptz[], $7::timestamptz[],
              $8::bigint[])
    AS g (tenant, topic_key, guest_id, pp, interactions, first_at, last_at, position)
), counted AS (
  INSERT INTO topic_guest AS t (tenant, topic_key, guest_id, pp, interaction_count, first_at, last_at, position)
  SELECT * FROM given
  ON CONFLICT (tenant, topic_key, guest_id) DO UPDATE SET
    interaction_count = t.interaction_count + excluded.interaction_count,
    first_at = LEAST(t.first_at, excluded.first_at),
    last_at = GREATEST(t.last_at, excluded.last_at),
    position = excluded.position
  WHERE t.position < excluded.position
  RETURNING tenant, topic_key, pp, xmax = 0 AS is_new
), change AS (
  SELECT tenant, topic_key, pp, interactions, 0 AS guests, first_at, last_at, position FROM given
  UNION ALL
  SELECT tenant, topic_key, pp, 0, 1, NULL, NULL, NULL FROM counted WHERE is_new
), summed AS (
  INSERT INTO topic_summary AS s (tenant, topic_key, pp, interaction_count, guest_count, first_at, last_at, position)
  SELECT tenant, topic_key, pp, sum(interactions), sum(guests), min(first_at), max(last_at), max(position)
  FROM change
  GROUP BY tenant, topic_key, pp
  ORDER BY tenant, topic_key, pp
  ON CONFLICT (tenant, topic_key, pp) DO UPDATE SET
    interaction_count = s.interaction_count + excluded.interaction_count,
    guest_count = s.guest_count + excluded.guest_count,
    first_at = LEAST(s.first_at, excluded.first_at),
    last_at = GREATEST(s.last_at, excluded.last_at),
    position = GREATEST(s.position, excluded.position)
)
SELECT FROM counted";

#[derive(Default)]
pub(crate) struct TopicSummary(BTreeMap<Key, Change>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    tenant: Tenant,
    /// Its key, not its spelling.
    topic: String,
    guest_id: Owner,
}

/// What a batch changes of one guest's part in one topic.
#[derive(Debug, PartialEq)]
struct Change {
    pp: i16,
    interactions: i64,
    first_at: DateTime<Utc>,
    last_at: DateTime<Utc>,
    position: i64,
}

impl TopicSummary {
    fn count(&mut self, commit: &Opened, recorded: &InteractionRecorded) -> Result<(), Unfoldable> {
        let at = instant("occurred_at", recorded.occurred_at.as_ref())?;
        let topic = schema::topic_key(&recorded.topic);
        if topic.is_empty() {
            return Ok(());
        }
        let (tenant, guest_id) = (commit.subject.tenant.clone(), commit.subject.owner.clone());
        let none_yet = Change { pp: commit.pp, interactions: 0, first_at: at, last_at: at, position: 0 };
        let change = self.0.entry(Key { tenant, topic, guest_id }).or_insert(none_yet);
        change.interactions += 1;
        change.first_at = change.first_at.min(at);
        change.last_at = change.last_at.max(at);
        change.position = commit.position;
        Ok(())
    }
}

impl Projection for TopicSummary {
    const NAME: &'static str = "topic_summary";
    const FACETS: Facets = Facets::These(&["interactions"]);

    fn fold(&mut self, commit: &Opened) -> Result<(), Unfoldable> {
        for event in &commit.events {
            match &event.event {
                Event::Interactions(InteractionEvent::InteractionRecorded(recorded)) => {
                    self.count(commit, recorded)?;
                }
                Event::Guest(_) | Event::Tenant(_) => {}
            }
        }
        Ok(())
    }

    async fn flush(&self, connection: &ClientWrapper) -> Result<(), Fault> {
        let tenants = column(self.0.keys(), |key| key.tenant.as_str());
        let topics = column(self.0.keys(), |key| key.topic.as_str());
        let guests = column(self.0.keys(), |key| key.guest_id.as_str());
        let pps = column(self.0.values(), |change| change.pp);
        let interactions = column(self.0.values(), |change| change.interactions);
        let first_at = column(self.0.values(), |change| change.first_at);
        let last_at = column(self.0.values(), |change| change.last_at);
        let positions = column(self.0.values(), |change| change.position);
        let columns = [
            &tenants as _,
            &topics as _,
            &guests as _,
            &pps as _,
            &interactions as _,
            &first_at as _,
            &last_at as _,
            &positions as _,
        ];
        write::<Self>(connection, UPSERT, &columns, self.0.len()).await
    }
}

#[cfg(test)]
mod specs {
    use super::*;
    use crate::given::{fold, guest, interacted, interaction, registered};

    fn counts(batch: &TopicSummary) -> Vec<(&str, i64)> {
        batch.0.iter().map(|(key, change)| (key.topic.as_str(), change.interactions)).collect()
    }

    #[test]
    fn spellings_of_one_topic_count_together_per_guest() {
        let about = |topic: &str| interaction(0, |recorded| recorded.topic = topic.to_owned());
        let batch: TopicSummary =
            fold([interacted(1, guest(1), about("Music")), interacted(2, guest(1), about(" MUSIC "))]);
        assert_eq!(counts(&batch), [("music", 2)]);
        let batch: TopicSummary =
            fold([interacted(1, guest(1), about("Music")), interacted(2, guest(2), about("music"))]);
        assert_eq!(counts(&batch), [("music", 1), ("music", 1)]);
    }

    #[test]
    fn an_interaction_about_nothing_in_particular_counts_for_no_topic() {
        let nothing = interaction(0, |recorded| recorded.topic = " ".to_owned());
        assert_eq!(counts(&fold([registered(1, guest(1), "{}"), interacted(2, guest(1), nothing)])), []);
    }

    #[test]
    fn first_and_last_do_not_depend_on_the_order_of_arrival() {
        let at = |position, seconds| interacted(position, guest(1), interaction(seconds, |_| {}));
        let batch: TopicSummary = fold([at(1, 50), at(2, 10), at(3, 90)]);
        let change = batch.0.values().next().expect("one guest, one topic");
        assert_eq!((change.first_at.timestamp(), change.last_at.timestamp(), change.position), (10, 90, 3));
    }
}
