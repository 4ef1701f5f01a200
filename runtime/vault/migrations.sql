-- The vault: keys, identifiers, API keys and the audit trail, and nothing else. Append statements; never change one that was released.

DO $$
DECLARE role text;
BEGIN
  FOREACH role IN ARRAY ARRAY['keepsake_vault_keeper', 'keepsake_vault_opener', 'keepsake_vault_lookup'] LOOP
    BEGIN
      EXECUTE format('CREATE ROLE %I NOLOGIN', role);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL; -- the roles of a cluster are shared: another database's migration made it
    END;
  END LOOP;
END $$;

CREATE SCHEMA IF NOT EXISTS vault;

CREATE TABLE IF NOT EXISTS vault.tenant_secret (
  tenant  text PRIMARY KEY,
  wrapped bytea NOT NULL
);

CREATE TABLE IF NOT EXISTS vault.identifier (
  tenant    text NOT NULL,
  namespace text NOT NULL,
  digest    bytea NOT NULL,
  guest_id  text NOT NULL,
  PRIMARY KEY (tenant, namespace, digest)
);

CREATE INDEX IF NOT EXISTS identifier_by_guest ON vault.identifier (tenant, guest_id);

-- One row for a guest, since it is its row that is looked for: a row for each class would cost four times the index.
CREATE TABLE IF NOT EXISTS vault.guest_key (
  tenant    text NOT NULL,
  guest_id  text NOT NULL,
  epoch     integer NOT NULL,
  -- The wrapped key of each class of data; NULL when it is gone, and with it what was sealed under it.
  contact   bytea,
  behaviour bytea,
  free_text bytea,
  special   bytea,
  PRIMARY KEY (tenant, guest_id, epoch)
);

-- Keys used to have a row for each class.
DO $$
BEGIN
  IF to_regclass('vault.data_key') IS NOT NULL THEN
    INSERT INTO vault.guest_key
    SELECT tenant, guest_id, epoch, (array_agg(wrapped) FILTER (WHERE class = 2))[1], (array_agg(wrapped) FILTER (WHERE class = 3))[1],
           (array_agg(wrapped) FILTER (WHERE class = 4))[1], (array_agg(wrapped) FILTER (WHERE class = 5))[1]
    FROM vault.data_key
    GROUP BY tenant, guest_id, epoch;
    DROP TABLE vault.data_key;
  END IF;
END $$;

GRANT USAGE ON SCHEMA vault TO keepsake_vault_keeper, keepsake_vault_opener, keepsake_vault_lookup;
GRANT SELECT, INSERT ON vault.tenant_secret TO keepsake_vault_keeper;
GRANT SELECT, INSERT, DELETE ON vault.identifier, vault.guest_key TO keepsake_vault_keeper;
GRANT SELECT ON vault.guest_key TO keepsake_vault_opener;
GRANT SELECT ON vault.tenant_secret, vault.identifier TO keepsake_vault_lookup;

CREATE SCHEMA IF NOT EXISTS audit;

-- Who did what. A chain for each tenant, and `*` for what concerns all of them; the hash of each entry is keyed by what is in no
-- database, and covers the hash before it.
CREATE TABLE IF NOT EXISTS audit.entry (
  chain text NOT NULL,
  seq   bigint NOT NULL CHECK (seq > 0),
  text  text NOT NULL,
  mac   bytea NOT NULL CHECK (octet_length(mac) = 32),
  PRIMARY KEY (chain, seq)
);

GRANT USAGE ON SCHEMA audit TO keepsake_vault_keeper, keepsake_vault_opener, keepsake_vault_lookup;
GRANT INSERT, SELECT (chain, seq, mac) ON audit.entry TO keepsake_vault_keeper, keepsake_vault_lookup;
-- Operators use the workers' login.
GRANT INSERT, SELECT ON audit.entry TO keepsake_vault_opener;

CREATE TABLE IF NOT EXISTS vault.api_key (
  key_id     text PRIMARY KEY,
  tenant     text NOT NULL,
  name       text NOT NULL,
  -- Two keys of a name are active at most: the one in use and the one that is to follow it.
  slot       smallint NOT NULL CHECK (slot IN (1, 2)),
  digest     bytea NOT NULL,
  -- Keyed by what is in no database: ties what the key may do to its digest.
  mac        bytea NOT NULL,
  scopes     text[] NOT NULL,
  issued_at  timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  revoked_at timestamptz
);

CREATE UNIQUE INDEX IF NOT EXISTS api_key_active ON vault.api_key (tenant, name, slot) WHERE revoked_at IS NULL;
CREATE INDEX IF NOT EXISTS api_key_by_tenant ON vault.api_key (tenant);

GRANT SELECT, INSERT, UPDATE (revoked_at) ON vault.api_key TO keepsake_vault_keeper;
GRANT SELECT ON vault.api_key TO keepsake_vault_lookup;

-- Which claim of the identifier stands, and since when: one who gives an identifier back must not take away what was claimed anew
-- meanwhile. A registration's has no id.
ALTER TABLE vault.identifier ADD COLUMN IF NOT EXISTS claim uuid, ADD COLUMN IF NOT EXISTS claimed_at timestamptz;
GRANT UPDATE (claim, claimed_at) ON vault.identifier TO keepsake_vault_keeper;
