//! The tables of the raw loop, made like those of our read models, and the statements that write a batch to them.

use futures_util::future::OptionFuture;
use keepsake_tests::harness::table;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Statement};

use super::Keeps;
use super::batch::{Batch, Change};

pub(crate) const SCHEMA: &str = "bench_raw";

/// Partitions are ours: here every row is of partition 0.
const MAKE: &str = "
DROP SCHEMA IF EXISTS bench_raw CASCADE;
CREATE SCHEMA bench_raw;
CREATE TABLE bench_raw.position (position bigint NOT NULL);
INSERT INTO bench_raw.position VALUES (0)";

/// Each like the one behind our view of the same name.
const TABLES: [&str; 4] = ["interaction", "profile", "topic_summary", "topic_guest"];

const INSERT: &str = "
INSERT INTO bench_raw.interaction (tenant, guest_id, occurred_at, interaction_id, pp, kind, topic, topic_key,
                                   occurred_at_offset_minutes, recorded_at, properties, position)
SELECT tenant, guest_id, occurred_at, id, 0, kind, topic, topic_key, offset_minutes, recorded_at, properties::json, position
FROM UNNEST($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[], $8::smallint[],
            $9::timestamptz[], $10::text[], $11::bigint[])
  AS i (tenant, guest_id, occurred_at, id, kind, topic, topic_key, offset_minutes, recorded_at, properties, position)";

const PROFILES: &str = "
INSERT INTO bench_raw.profile AS p (tenant, guest_id, pp, attributes, interaction_count, first_seen_at, last_seen_at, version,
                                    position)
SELECT tenant, guest_id, 0, '{}', interactions, first_at, last_at, 0, position
FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::timestamptz[], $5::timestamptz[], $6::bigint[])
  AS g (tenant, guest_id, interactions, first_at, last_at, position)
ON CONFLICT (tenant, guest_id) DO UPDATE SET
  interaction_count = p.interaction_count + excluded.interaction_count,
  first_seen_at = LEAST(p.first_seen_at, excluded.first_seen_at),
  last_seen_at = GREATEST(p.last_seen_at, excluded.last_seen_at),
  position = excluded.position";

const TOPICS: &str = "
INSERT INTO bench_raw.topic_summary AS s (tenant, topic_key, pp, interaction_count, guest_count, first_at, last_at, position)
SELECT tenant, topic_key, 0, interactions, 0, first_at, last_at, position
FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::timestamptz[], $5::timestamptz[], $6::bigint[])
  AS g (tenant, topic_key, interactions, first_at, last_at, position)
ON CONFLICT (tenant, topic_key, pp) DO UPDATE SET
  interaction_count = s.interaction_count + excluded.interaction_count,
  first_at = LEAST(s.first_at, excluded.first_at),
  last_at = GREATEST(s.last_at, excluded.last_at),
  position = excluded.position";

const TOPIC_GUESTS: &str = "
INSERT INTO bench_raw.topic_guest AS t (tenant, topic_key, guest_id, pp, interaction_count, first_at, last_at, position)
SELECT tenant, topic_key, guest_id, 0, interactions, first_at, last_at, position
FROM UNNEST($1::text[], $2::text[], $3::text[], $4::bigint[], $5::timestamptz[], $6::timestamptz[], $7::bigint[])
  AS g (tenant, topic_key, guest_id, interactions, first_at, last_at, position)
ON CONFLICT (tenant, topic_key, guest_id) DO UPDATE SET
  interaction_count = t.interaction_count + excluded.interaction_count,
  first_at = LEAST(t.first_at, excluded.first_at),
  last_at = GREATEST(t.last_at, excluded.last_at),
  position = excluded.position";

const MOVE: &str = "UPDATE bench_raw.position SET position = $1";

type Column<'a> = &'a (dyn ToSql + Sync);

pub(super) struct Tables {
    database: Client,
    insert: Statement,
    profiles: Statement,
    topics: Statement,
    topic_guests: Statement,
    move_to: Statement,
}

impl Tables {
    /// Made anew, over this connection.
    pub(super) async fn emptied(database: Client) -> Result<Self, Error> {
        database.batch_execute(MAKE).await?;
        for name in TABLES {
            let ours = table(&database, name).await;
            database.batch_execute(&format!("CREATE TABLE bench_raw.{name} (LIKE {ours} INCLUDING ALL)")).await?;
        }
        let (insert, profiles) = (database.prepare(INSERT).await?, database.prepare(PROFILES).await?);
        let (topics, topic_guests) = (database.prepare(TOPICS).await?, database.prepare(TOPIC_GUESTS).await?);
        let move_to = database.prepare(MOVE).await?;
        Ok(Self { database, insert, profiles, topics, topic_guests, move_to })
    }

    /// Writes a batch and moves the position in one transaction, all of whose statements leave in one go.
    pub(super) async fn write(&self, batch: &Batch<'_>) -> Result<(), Error> {
        let topic_guests = (batch.keeps == Keeps::TopicGuests).then(|| self.write_topic_guests(batch));
        tokio::try_join!(
            self.database.batch_execute("BEGIN"),
            self.move_to(batch.position),
            self.insert(batch),
            self.write_profiles(batch),
            self.write_topics(batch),
            async { OptionFuture::from(topic_guests).await.transpose() },
        )?;
        self.database.batch_execute("COMMIT").await
    }

    async fn move_to(&self, position: i64) -> Result<u64, Error> {
        self.database.execute(&self.move_to, &[&position]).await
    }

    async fn insert(&self, batch: &Batch<'_>) -> Result<u64, Error> {
        let rows = &batch.interactions;
        let columns: [Column<'_>; 11] = [
            &column(rows, |row| row.plain.tenant),
            &column(rows, |row| row.plain.guest_id),
            &column(rows, |row| row.plain.occurred_at),
            &column(rows, |row| row.plain.id),
            &column(rows, |row| row.plain.kind),
            &column(rows, |row| row.plain.topic),
            &column(rows, |row| row.topic_key.as_str()),
            &column(rows, |row| row.plain.offset_minutes),
            &column(rows, |row| row.plain.recorded_at),
            &column(rows, |row| row.plain.properties.get()),
            &column(rows, |row| row.position),
        ];
        self.database.execute(&self.insert, &columns).await
    }

    async fn write_profiles(&self, batch: &Batch<'_>) -> Result<u64, Error> {
        let tenants = column(batch.guests.keys(), |(tenant, _)| *tenant);
        let guests = column(batch.guests.keys(), |(_, guest)| *guest);
        self.change(&self.profiles, &[&tenants, &guests], batch.guests.values().collect()).await
    }

    async fn write_topics(&self, batch: &Batch<'_>) -> Result<u64, Error> {
        let tenants = column(batch.topics.keys(), |(tenant, _)| *tenant);
        let topics = column(batch.topics.keys(), |(_, topic)| topic.as_str());
        self.change(&self.topics, &[&tenants, &topics], batch.topics.values().collect()).await
    }

    async fn write_topic_guests(&self, batch: &Batch<'_>) -> Result<u64, Error> {
        let tenants = column(batch.topic_guests.keys(), |(tenant, ..)| *tenant);
        let topics = column(batch.topic_guests.keys(), |(_, topic, _)| topic.as_str());
        let guests = column(batch.topic_guests.keys(), |(.., guest)| *guest);
        self.change(&self.topic_guests, &[&tenants, &topics, &guests], batch.topic_guests.values().collect()).await
    }

    async fn change(&self, statement: &Statement, keys: &[Column<'_>], changes: Vec<&Change>) -> Result<u64, Error> {
        let interactions = column(&changes, |change| change.interactions);
        let first_at = column(&changes, |change| change.first_at);
        let last_at = column(&changes, |change| change.last_at);
        let positions = column(&changes, |change| change.position);
        let sums: [Column<'_>; 4] = [&interactions, &first_at, &last_at, &positions];
        self.database.execute(statement, &[keys, &sums].concat()).await
    }
}

/// One array of a statement.
fn column<R, T>(rows: impl IntoIterator<Item = R>, of: impl Fn(R) -> T) -> Vec<T> {
    rows.into_iter().map(of).collect()
}
