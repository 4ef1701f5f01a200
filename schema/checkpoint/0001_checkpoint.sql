-- What the read models were folded from, and how far. Append new files here; one that was released is never changed.

CREATE TABLE keepsake.checkpoint (
  projection text PRIMARY KEY,
  -- Log position of the last commit folded; 0 when none was.
  position   bigint NOT NULL DEFAULT 0 CHECK (position >= 0),
  -- Whoever raised it last is the only one who may move the position.
  epoch      bigint NOT NULL DEFAULT 0,
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE keepsake.log (
  log_id   text NOT NULL,
  only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one)
);

CREATE TABLE keepsake.read_model (
  name     text PRIMARY KEY,
  -- Hash of the SQL it was built from.
  version  text NOT NULL,
  -- What it consists of, for dropping it.
  tables   text[] NOT NULL,
  built_at timestamptz NOT NULL DEFAULT now()
);

GRANT SELECT ON keepsake.checkpoint, keepsake.log, keepsake.read_model TO keepsake_reader, keepsake_writer;
GRANT UPDATE ON keepsake.checkpoint TO keepsake_writer;
GRANT INSERT ON keepsake.log TO keepsake_writer;
