-- What goes out: how far whoever works through the log for others has come, commands that wait for their time, and published
-- events that wait to be sent. No build of a read model reads or resets any of it.

-- A task that one process does at a time. Whoever raised the epoch last is the only one who may move the position.
CREATE TABLE keepsake.errand (
  name       text PRIMARY KEY,
  -- Log position up to which it is done; NULL when it never began, or has none.
  position   bigint CHECK (position >= 0),
  epoch      bigint NOT NULL DEFAULT 1,
  holder     text NOT NULL,
  -- When the holder is taken for dead, by this database's clock.
  expires_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Commands that wait for their time. Bodies lie here in clear: ids of ours and what the policy itself chose, never personal data.
CREATE TABLE keepsake.due (
  tenant   text NOT NULL,
  timer_id text NOT NULL CHECK (octet_length(timer_id) BETWEEN 1 AND 255),
  -- What it is made for, as an event's id. With the timer's id and its time it makes the command's: what fires twice is carried out once.
  cause    text NOT NULL,
  -- Whose it is: a guest, or `tenant`.
  owner    text NOT NULL,
  pp       smallint NOT NULL CHECK (pp BETWEEN 0 AND 63),
  -- By this database's clock.
  due_at   timestamptz NOT NULL,
  -- `interactions` and `record` of `cmdq.<tenant>.interactions.record`.
  facet    text NOT NULL CHECK (facet ~ '^[a-z_]{1,64}$'),
  command  text NOT NULL CHECK (command ~ '^[a-z_]{1,64}$'),
  -- JSON, smaller than what the intake takes.
  body     text NOT NULL CHECK (octet_length(body) <= 65536),
  PRIMARY KEY (tenant, timer_id)
);

CREATE INDEX ON keepsake.due (due_at);
CREATE INDEX ON keepsake.due (tenant, owner);

-- Published events that are derived while folding, until they are sent.
CREATE TABLE keepsake.outbox (
  entry    bigint GENERATED ALWAYS AS IDENTITY,
  tenant   text NOT NULL,
  -- The published event's own, the same whoever derives it.
  event_id text NOT NULL,
  -- `guest.segment.entered`
  name     text NOT NULL CHECK (name ~ '^[a-z_]+([.][a-z_]+)*$'),
  body     text NOT NULL,
  PRIMARY KEY (tenant, entry)
);

CREATE INDEX ON keepsake.outbox (entry);

-- Up to where everything that was derived is in the outbox or was sent: no build derives it a second time.
CREATE TABLE keepsake.outbox_floor (
  policy   text NOT NULL,
  pp       smallint NOT NULL CHECK (pp BETWEEN 0 AND 63),
  position bigint NOT NULL CHECK (position >= 0),
  PRIMARY KEY (policy, pp)
) WITH (fillfactor = 50);

ALTER TABLE keepsake.due ENABLE ROW LEVEL SECURITY;
ALTER TABLE keepsake.due FORCE ROW LEVEL SECURITY;
CREATE POLICY writer ON keepsake.due TO keepsake_writer USING (true) WITH CHECK (true);
CREATE POLICY migration ON keepsake.due TO CURRENT_USER USING (true) WITH CHECK (true);
ALTER TABLE keepsake.outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE keepsake.outbox FORCE ROW LEVEL SECURITY;
CREATE POLICY writer ON keepsake.outbox TO keepsake_writer USING (true) WITH CHECK (true);
CREATE POLICY migration ON keepsake.outbox TO CURRENT_USER USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON keepsake.errand, keepsake.due, keepsake.outbox, keepsake.outbox_floor TO keepsake_writer;
