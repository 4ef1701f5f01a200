-- Every interaction, listed per guest: the key backwards is newest first, and a time range is a range of the key. Filters by
-- kind and topic run over the guest's rows: an index for each would cost every insert a quarter more, for lists that are short.

CREATE TABLE interaction (
  tenant                     text NOT NULL,
  guest_id                   text NOT NULL,
  occurred_at                timestamptz NOT NULL,
  -- Id of the event.
  interaction_id             text NOT NULL,
  pp                         smallint NOT NULL,
  kind                       text NOT NULL,
  -- Empty when the interaction was about nothing in particular.
  topic                      text NOT NULL,
  topic_key                  text NOT NULL,
  occurred_at_offset_minutes smallint NOT NULL,
  recorded_at                timestamptz NOT NULL,
  -- json, not jsonb: numbers stay digit for digit as the caller wrote them.
  properties                 json NOT NULL,
  context                    json NOT NULL,
  -- When it happened by its sender's clock; NULL when that is occurred_at.
  told_at                    timestamptz,
  position                   bigint NOT NULL,
  PRIMARY KEY (tenant, guest_id, occurred_at, interaction_id)
);
