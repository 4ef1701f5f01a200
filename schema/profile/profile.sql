-- What is known of a guest at a glance.

CREATE TABLE profile (
  tenant            text NOT NULL,
  guest_id          text NOT NULL,
  pp                smallint NOT NULL,
  -- json, not jsonb: numbers stay digit for digit as the caller wrote them.
  attributes        json NOT NULL,
  registered_at     timestamptz,
  interaction_count bigint NOT NULL,
  -- The earliest and latest occurred_at of the guest's interactions; NULL when there is none.
  first_seen_at     timestamptz,
  last_seen_at      timestamptz,
  -- Version of the guest facet.
  version           bigint NOT NULL,
  position          bigint NOT NULL,
  PRIMARY KEY (tenant, guest_id)
);
