-- Who is known, as whom. Each guest's own commits made its rows: an absorbed guest says who it is read as, a survivor says whom
-- it absorbed. So a read that starts at any of them finds all, and a chain of merges is followed on read.

CREATE TABLE identity (
  tenant        text NOT NULL,
  guest_id      text NOT NULL,
  pp            smallint NOT NULL,
  -- Who absorbed it, and is read in its place; the guest itself until then, and after a merge was undone.
  canonical_id  text NOT NULL,
  canonical_pp  smallint NOT NULL,
  registered_at timestamptz NOT NULL,
  -- Of the last commit that changed any of the guest's rows here: one that takes a row away changes no other.
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
  linked_at timestamptz NOT NULL,
  pp        smallint NOT NULL,
  position  bigint NOT NULL,
  PRIMARY KEY (tenant, guest_id, namespace, value)
);

-- Who was said to be a guest and was not taken for it. Ids of ours and words: nothing that names a person.
CREATE TABLE identity_conflict (
  tenant      text NOT NULL,
  guest_id    text NOT NULL,
  position    bigint NOT NULL,
  event_index smallint NOT NULL,
  event_id    text NOT NULL,
  -- Who has the identifier; empty when nobody has.
  other_id    text NOT NULL,
  namespace   text NOT NULL,
  reason      text NOT NULL,
  pp          smallint NOT NULL,
  detected_at timestamptz NOT NULL,
  PRIMARY KEY (tenant, guest_id, position, event_index)
);

CREATE INDEX identity_conflict_by_position ON identity_conflict (tenant, position DESC, event_index DESC);
