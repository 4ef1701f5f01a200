-- What is known of a guest at a glance.

CREATE TABLE profile (
  tenant            text NOT NULL,
  guest_id          text NOT NULL,
  pp                smallint NOT NULL,
  -- json, not jsonb: numbers stay digit for digit as the caller wrote them.
  -- NULL until somebody says something of the guest; registered_at and is_active, too.
  attributes        json,
  registered_at     timestamptz,
  -- When somebody last said something of the guest itself.
  updated_at        timestamptz,
  is_active         boolean,
  interaction_count bigint NOT NULL,
  -- The earliest and latest occurred_at of the guest's interactions; NULL when there is none.
  first_seen_at     timestamptz,
  last_seen_at      timestamptz,
  -- Version of the guest facet.
  version           bigint NOT NULL,
  position          bigint NOT NULL,
  PRIMARY KEY (tenant, guest_id)
);
