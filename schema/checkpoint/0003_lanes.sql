-- Who folds which virtual partitions, how far, and the proof of what was folded. What was folded before was folded without a
-- proof: the checkpoints start anew, and the read models with them.

DROP TABLE keepsake.checkpoint;
UPDATE keepsake.read_model SET version = 'folded without a proof';

CREATE TABLE keepsake.checkpoint (
  projection        text NOT NULL,
  pp                smallint NOT NULL CHECK (pp BETWEEN 0 AND 63),
  -- Log position of the last commit that was folded; the lane may be further, where nothing of this pp was in between.
  position          bigint NOT NULL DEFAULT 0 CHECK (position >= 0),
  -- Commits of this pp, by what became of them.
  applied           bigint NOT NULL DEFAULT 0,
  parked            bigint NOT NULL DEFAULT 0,
  skipped           bigint NOT NULL DEFAULT 0,
  -- Sum over those commits of the first 128 bits of SHA-256(position, subject, payload), modulo 2^128, big endian.
  proof             bytea NOT NULL DEFAULT '\x00000000000000000000000000000000' CHECK (length(proof) = 16),
  PRIMARY KEY (projection, pp)
) WITH (fillfactor = 50);

-- Up to where each proof was last found to be that of the log.
CREATE TABLE keepsake.verified (
  projection text NOT NULL,
  pp         smallint NOT NULL,
  position   bigint NOT NULL,
  PRIMARY KEY (projection, pp)
);

CREATE SEQUENCE keepsake.lane_epoch;

-- Whoever raised the epoch last is the only one who may move the position. One epoch is never given twice.
CREATE TABLE keepsake.lane (
  first_pp smallint PRIMARY KEY CHECK (first_pp BETWEEN 0 AND 63),
  last_pp  smallint NOT NULL CHECK (last_pp BETWEEN first_pp AND 63),
  -- Every checkpoint of its partitions is at least as far.
  position bigint NOT NULL DEFAULT 0 CHECK (position >= 0),
  epoch    bigint NOT NULL DEFAULT nextval('keepsake.lane_epoch'),
  -- Of keepsake.worker; it holds the lane for as long as it is alive.
  holder   text
) WITH (fillfactor = 50);

INSERT INTO keepsake.lane (first_pp, last_pp) SELECT first_pp, first_pp + 15 FROM generate_series(0, 48, 16) AS first_pp;

CREATE TABLE keepsake.worker (
  worker     text PRIMARY KEY,
  -- When it is taken for dead, by this database's clock.
  expires_at timestamptz NOT NULL
);

-- How far each read model is, partition by partition.
CREATE VIEW keepsake.progress WITH (security_invoker = true) AS
SELECT c.projection, c.pp, l.first_pp, l.last_pp, greatest(c.position, l.position) AS position
FROM keepsake.checkpoint c JOIN keepsake.lane l ON c.pp BETWEEN l.first_pp AND l.last_pp;

-- Where a read model was found not to be what the log says. Values that may be personal are not repeated here.
CREATE TABLE keepsake.finding (
  finding       bigint GENERATED ALWAYS AS IDENTITY,
  tenant        text NOT NULL,
  -- NULL when the row is shared by many.
  guest_id      text,
  pp            smallint NOT NULL,
  projection    text NOT NULL,
  relation      text NOT NULL,
  -- The primary key of the row, without what may be personal.
  row_key       text NOT NULL,
  -- Of the row, or of the commit it should have been made from.
  position      bigint NOT NULL,
  difference    text NOT NULL,
  first_seen_at timestamptz NOT NULL DEFAULT now(),
  last_seen_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant, finding)
);

CREATE UNIQUE INDEX ON keepsake.finding (tenant, projection, relation, row_key);
ALTER TABLE keepsake.finding ENABLE ROW LEVEL SECURITY;
ALTER TABLE keepsake.finding FORCE ROW LEVEL SECURITY;
CREATE POLICY reader ON keepsake.finding FOR SELECT TO keepsake_reader
  USING (tenant = NULLIF(current_setting('keepsake.tenant', true), ''));
CREATE POLICY writer ON keepsake.finding TO keepsake_writer USING (true) WITH CHECK (true);

GRANT SELECT ON keepsake.checkpoint, keepsake.lane, keepsake.progress TO keepsake_reader, keepsake_writer;
GRANT SELECT ON keepsake.finding TO keepsake_reader;
GRANT SELECT (projection, pp, position) ON keepsake.checkpoint TO keepsake_command_reader;
GRANT SELECT (first_pp, last_pp, position) ON keepsake.lane TO keepsake_command_reader;
GRANT SELECT ON keepsake.progress TO keepsake_command_reader;
GRANT UPDATE ON keepsake.checkpoint TO keepsake_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON keepsake.lane, keepsake.worker, keepsake.verified, keepsake.finding TO keepsake_writer;
GRANT USAGE ON SEQUENCE keepsake.lane_epoch TO keepsake_writer;
