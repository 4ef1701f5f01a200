-- Who is known, as whom. Each guest's own commits made its rows: an absorbed guest says who it is read as, a survivor says whom
-- it absorbed. So a read that starts at any of them finds all, and a chain of merges is followed on read.

CREATE TABLE identity (
  tenant        text NOT NULL,
  guest_id      text NOT NULL,
  pp            smallint NOT NULL,
  -- Who absorbed it, and is read in its place; the guest itself until then.
  canonical_id  text NOT NULL,
  canonical_pp  smallint NOT NULL,
  registered_at timestamptz NOT NULL,
  position      bigint NOT NULL,
  PRIMARY KEY (tenant, guest_id)
);

-- The other guests' partitions are told beside their ids: a read waits for those too, before any row of them may be there.
CREATE TABLE identity_absorbed (
  tenant      text NOT NULL,
  -- The survivor.
  guest_id    text NOT NULL,
  absorbed_id text NOT NULL,
  pp          smallint NOT NULL,
  absorbed_pp smallint NOT NULL,
  position    bigint NOT NULL,
  PRIMARY KEY (tenant, guest_id, absorbed_id)
);

-- No UNIQUE over identifiers: the vault guards that one names only one guest.
CREATE TABLE identity_identifier (
  tenant    text NOT NULL,
  guest_id  text NOT NULL,
  namespace text NOT NULL,
  value     text NOT NULL,
  pp        smallint NOT NULL,
  position  bigint NOT NULL,
  PRIMARY KEY (tenant, guest_id, namespace, value)
);
