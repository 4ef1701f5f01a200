-- Guests set aside: a commit that cannot be folded waits here by its position, with all later ones of its guest, and everybody
-- else's go on. Never what is in the commits.

CREATE TABLE keepsake.parked_guest (
  tenant     text NOT NULL,
  -- A guest, or `tenant`.
  owner      text NOT NULL,
  projection text NOT NULL,
  pp         smallint NOT NULL,
  -- Of the commit that could not be folded.
  position   bigint NOT NULL,
  reason     text NOT NULL,
  parked_at  timestamptz NOT NULL DEFAULT now(),
  -- How often it was tried again in vain.
  tries      integer NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant, owner, projection)
);

CREATE INDEX ON keepsake.parked_guest (parked_at);

CREATE TABLE keepsake.parked_commit (
  tenant     text NOT NULL,
  owner      text NOT NULL,
  projection text NOT NULL,
  position   bigint NOT NULL,
  pp         smallint NOT NULL,
  -- Somebody decided that it is never folded into this read model.
  skipped    boolean NOT NULL DEFAULT false,
  PRIMARY KEY (tenant, owner, projection, position)
);

CREATE INDEX ON keepsake.parked_commit (projection, pp);
CREATE INDEX ON keepsake.parked_commit (pp) WHERE skipped;

-- What somebody asked for, until whoever holds the lane has done it.
CREATE TABLE keepsake.parking_request (
  request      bigint GENERATED ALWAYS AS IDENTITY,
  tenant       text NOT NULL,
  owner        text NOT NULL,
  projection   text NOT NULL,
  pp           smallint NOT NULL,
  act          text NOT NULL CHECK (act IN ('retry', 'skip')),
  actor        text NOT NULL,
  reason       text NOT NULL,
  -- From where on the guest was parked when it was asked for: no other commit is skipped.
  position     bigint NOT NULL,
  -- Commits that were folded by it so far.
  folded       bigint NOT NULL DEFAULT 0,
  requested_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant, request)
);

-- Who was set aside, tried again or skipped, when, by whom and how it ended; nothing here is ever changed.
CREATE TABLE keepsake.parking_act (
  parking_act bigint GENERATED ALWAYS AS IDENTITY,
  tenant      text NOT NULL,
  owner       text NOT NULL,
  projection  text NOT NULL,
  act         text NOT NULL CHECK (act IN ('park', 'retry', 'skip')),
  -- Of the commit that was parked or skipped, or from which on it waits still; 0 when nothing waits.
  position    bigint NOT NULL,
  actor       text NOT NULL,
  reason      text NOT NULL,
  -- Commits that were folded by it, and those that wait still.
  folded      bigint NOT NULL DEFAULT 0,
  waiting     bigint NOT NULL DEFAULT 0,
  request     bigint,
  done_at     timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant, parking_act)
);

CREATE INDEX ON keepsake.parking_act (request);

ALTER TABLE keepsake.parked_guest ENABLE ROW LEVEL SECURITY;
ALTER TABLE keepsake.parked_guest FORCE ROW LEVEL SECURITY;
CREATE POLICY writer ON keepsake.parked_guest TO keepsake_writer USING (true) WITH CHECK (true);
CREATE POLICY migration ON keepsake.parked_guest TO CURRENT_USER USING (true) WITH CHECK (true);
ALTER TABLE keepsake.parked_commit ENABLE ROW LEVEL SECURITY;
ALTER TABLE keepsake.parked_commit FORCE ROW LEVEL SECURITY;
CREATE POLICY writer ON keepsake.parked_commit TO keepsake_writer USING (true) WITH CHECK (true);
CREATE POLICY migration ON keepsake.parked_commit TO CURRENT_USER USING (true) WITH CHECK (true);
ALTER TABLE keepsake.parking_request ENABLE ROW LEVEL SECURITY;
ALTER TABLE keepsake.parking_request FORCE ROW LEVEL SECURITY;
CREATE POLICY writer ON keepsake.parking_request TO keepsake_writer USING (true) WITH CHECK (true);
CREATE POLICY migration ON keepsake.parking_request TO CURRENT_USER USING (true) WITH CHECK (true);
ALTER TABLE keepsake.parking_act ENABLE ROW LEVEL SECURITY;
ALTER TABLE keepsake.parking_act FORCE ROW LEVEL SECURITY;
CREATE POLICY writer ON keepsake.parking_act TO keepsake_writer USING (true) WITH CHECK (true);
CREATE POLICY migration ON keepsake.parking_act TO CURRENT_USER USING (true) WITH CHECK (true);

CREATE POLICY reader ON keepsake.parked_guest FOR SELECT TO keepsake_reader
  USING (tenant = NULLIF(current_setting('keepsake.tenant', true), ''));

-- A command whose commit is parked was carried out all the same.
CREATE POLICY command_reader ON keepsake.parked_commit FOR SELECT TO keepsake_command_reader USING (projection = 'command_log');
GRANT SELECT (tenant, owner, projection, position) ON keepsake.parked_commit TO keepsake_command_reader;

GRANT SELECT ON keepsake.parked_guest TO keepsake_reader;
GRANT SELECT, INSERT, UPDATE, DELETE ON keepsake.parked_guest, keepsake.parked_commit TO keepsake_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON keepsake.parking_request TO keepsake_writer;
GRANT SELECT, INSERT ON keepsake.parking_act TO keepsake_writer;
