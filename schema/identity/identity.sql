-- Who is known, as whom: a guest's canonical id is the id its cluster is read under, its own until a merge.

CREATE TABLE read.identity (
  tenant        text NOT NULL,
  guest_id      text NOT NULL,
  pp            smallint NOT NULL,
  canonical_id  text NOT NULL,
  registered_at timestamptz NOT NULL,
  position      bigint NOT NULL,
  PRIMARY KEY (tenant, guest_id)
);

-- No UNIQUE over identifiers: the vault guards that one names only one guest.
CREATE TABLE read.identity_identifier (
  tenant    text NOT NULL,
  guest_id  text NOT NULL,
  namespace text NOT NULL,
  value     text NOT NULL,
  pp        smallint NOT NULL,
  position  bigint NOT NULL,
  PRIMARY KEY (tenant, guest_id, namespace, value)
);
