-- The vault: keys and identifiers, and nothing else. Append statements; never change one that was released.

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

CREATE TABLE IF NOT EXISTS vault.data_key (
  tenant   text NOT NULL,
  guest_id text NOT NULL,
  class    smallint NOT NULL,
  epoch    integer NOT NULL,
  wrapped  bytea NOT NULL,
  PRIMARY KEY (tenant, guest_id, class, epoch)
);

GRANT USAGE ON SCHEMA vault TO keepsake_vault_keeper, keepsake_vault_opener, keepsake_vault_lookup;
GRANT SELECT, INSERT ON vault.tenant_secret TO keepsake_vault_keeper;
GRANT SELECT, INSERT, DELETE ON vault.identifier, vault.data_key TO keepsake_vault_keeper;
GRANT SELECT ON vault.data_key TO keepsake_vault_opener;
GRANT SELECT ON vault.tenant_secret, vault.identifier TO keepsake_vault_lookup;
