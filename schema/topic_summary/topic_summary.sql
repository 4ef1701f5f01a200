-- How much a tenant's guests interact with a topic. Interactions about nothing in particular count for no topic.

CREATE TABLE topic_guest (
  tenant            text NOT NULL,
  topic_key         text NOT NULL,
  guest_id          text NOT NULL,
  pp                smallint NOT NULL,
  interaction_count bigint NOT NULL,
  first_at          timestamptz NOT NULL,
  last_at           timestamptz NOT NULL,
  position          bigint NOT NULL,
  PRIMARY KEY (tenant, topic_key, guest_id)
);

-- One row per virtual partition, summed on read: workers of different partitions never wait for each other.
CREATE TABLE topic_summary (
  tenant            text NOT NULL,
  topic_key         text NOT NULL,
  pp                smallint NOT NULL,
  interaction_count bigint NOT NULL,
  guest_count       bigint NOT NULL,
  first_at          timestamptz NOT NULL,
  last_at           timestamptz NOT NULL,
  position          bigint NOT NULL,
  PRIMARY KEY (tenant, topic_key, pp)
);
