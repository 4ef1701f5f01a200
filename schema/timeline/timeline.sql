-- A guest's whole life, one row per event, in the log's own order: the key backwards is newest first. A filter by type runs over
-- the guest's rows: an index for it would cost every insert, for lists that are short.

CREATE TABLE timeline (
  tenant      text NOT NULL,
  guest_id    text NOT NULL,
  position    bigint NOT NULL,
  -- Of the event in its commit, from 0.
  event_index smallint NOT NULL,
  event_id    text NOT NULL,
  event_type  text NOT NULL,
  pp          smallint NOT NULL,
  -- When the caller says it happened; recorded_at for an event without a time of its own.
  occurred_at timestamptz NOT NULL,
  recorded_at timestamptz NOT NULL,
  -- The little of the event that a person wants to see in a list.
  summary     json NOT NULL,
  PRIMARY KEY (tenant, guest_id, position, event_index)
);
