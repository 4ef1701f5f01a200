-- Read models come in generations: each is one build of the tables, in a Postgres schema of its own, and views in schema `read` say
-- which of them is read. What was folded before lies in schema `read` itself: it is dropped, and folded anew once.

-- Workers lock their lane first, too.
LOCK TABLE keepsake.lane;

DO $$
DECLARE found text;
BEGIN
  FOR found IN SELECT unnest(tables) FROM keepsake.read_model LOOP
    EXECUTE format('DROP TABLE IF EXISTS %s', found);
  END LOOP;
END $$;
DROP VIEW keepsake.progress;
DROP TABLE keepsake.read_model;
TRUNCATE keepsake.checkpoint, keepsake.verified, keepsake.lane, keepsake.finding, keepsake.parked_guest, keepsake.parking_request;
DELETE FROM keepsake.parked_commit WHERE NOT skipped;

-- Generations that are folded together, by the same lanes: at most one of each read model, all of which one binary knows how to fold.
CREATE TABLE keepsake.track (
  track     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- Gives way to readers.
  throttled boolean NOT NULL DEFAULT false
);

CREATE TABLE keepsake.generation (
  generation  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  projection  text NOT NULL,
  -- Hash of the SQL its tables are made by and of the code that folds into them: whoever has the same may fold into it.
  fingerprint text NOT NULL,
  -- The Postgres schema its tables are in.
  schema_name text NOT NULL UNIQUE,
  tables      text[] NOT NULL,
  track       bigint NOT NULL REFERENCES keepsake.track,
  -- Building: nobody reads it yet. Former: it was live, and is folded on until it is dropped, so that it can be again.
  state       text NOT NULL CHECK (state IN ('building', 'live', 'former')),
  begun_at    timestamptz NOT NULL DEFAULT now(),
  live_at     timestamptz,
  UNIQUE (track, projection)
);

CREATE UNIQUE INDEX ON keepsake.generation (projection) WHERE state = 'live';

ALTER TABLE keepsake.checkpoint DROP CONSTRAINT checkpoint_pkey;
ALTER TABLE keepsake.checkpoint ADD COLUMN generation integer NOT NULL, ADD PRIMARY KEY (generation, pp);
ALTER TABLE keepsake.verified DROP CONSTRAINT verified_pkey;
ALTER TABLE keepsake.verified ADD COLUMN generation integer NOT NULL, ADD PRIMARY KEY (generation, pp);
ALTER TABLE keepsake.lane DROP CONSTRAINT lane_pkey;
ALTER TABLE keepsake.lane ADD COLUMN track bigint NOT NULL, ADD PRIMARY KEY (track, first_pp);

-- Which generations a worker can fold, by their fingerprints.
ALTER TABLE keepsake.worker ADD COLUMN fingerprints text[] NOT NULL DEFAULT '{}';

-- A guest is parked for a generation: another one may have folded the same commit. What was skipped before any generation was is 0.
ALTER TABLE keepsake.parked_guest DROP CONSTRAINT parked_guest_pkey;
ALTER TABLE keepsake.parked_guest ADD COLUMN generation integer NOT NULL, ADD PRIMARY KEY (tenant, owner, generation);
ALTER TABLE keepsake.parked_commit DROP CONSTRAINT parked_commit_pkey;
ALTER TABLE keepsake.parked_commit
  ADD COLUMN generation integer NOT NULL DEFAULT 0,
  ADD PRIMARY KEY (tenant, owner, generation, projection, position);
ALTER TABLE keepsake.parked_commit ALTER COLUMN generation DROP DEFAULT;
DROP INDEX keepsake.parked_commit_projection_pp_idx;
CREATE INDEX ON keepsake.parked_commit (generation, pp);
ALTER TABLE keepsake.parking_request ADD COLUMN generation integer NOT NULL;
ALTER TABLE keepsake.parking_act ADD COLUMN generation integer NOT NULL DEFAULT 0;
ALTER TABLE keepsake.parking_act ALTER COLUMN generation DROP DEFAULT;

-- How far each generation is, partition by partition.
CREATE VIEW keepsake.generation_progress WITH (security_invoker = true) AS
SELECT g.generation, g.projection, g.state, c.pp, l.track, l.first_pp, l.last_pp, greatest(c.position, l.position) AS position
FROM keepsake.generation g
JOIN keepsake.checkpoint c ON c.generation = g.generation
JOIN keepsake.lane l ON l.track = g.track AND c.pp BETWEEN l.first_pp AND l.last_pp;

-- The same of those that are read.
CREATE VIEW keepsake.progress WITH (security_invoker = true) AS
SELECT generation, projection, pp, track, first_pp, last_pp, position FROM keepsake.generation_progress WHERE state = 'live';

GRANT SELECT ON keepsake.generation, keepsake.track, keepsake.generation_progress, keepsake.progress
  TO keepsake_reader, keepsake_writer;
GRANT SELECT (generation, projection, track, state) ON keepsake.generation TO keepsake_command_reader;
GRANT SELECT (generation) ON keepsake.checkpoint TO keepsake_command_reader;
GRANT SELECT (track) ON keepsake.lane TO keepsake_command_reader;
GRANT SELECT ON keepsake.generation_progress, keepsake.progress TO keepsake_command_reader;
