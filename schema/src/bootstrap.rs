//! What has to be there before the first migration: group roles, schemas, the list of migrations.

/// Repeatable. Roles belong to the whole cluster, so the migration of another database may be making them at this moment.
pub(crate) const BOOTSTRAP: &str = "
-- bootstrap()
DO $$
DECLARE role text;
BEGIN
  FOREACH role IN ARRAY ARRAY['keepsake_writer', 'keepsake_reader', 'keepsake_command_reader'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
      BEGIN
        EXECUTE format('CREATE ROLE %I NOLOGIN', role);
      EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL;
      END;
    END IF;
  END LOOP;
END $$;

-- What the planner knows of columns is values of many tenants. Postgres shows nobody those of a table under row-level security; here
-- nobody is shown any, where the migration may say so.
DO $$
BEGIN
  IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    REVOKE SELECT ON pg_catalog.pg_stats, pg_catalog.pg_stats_ext, pg_catalog.pg_stats_ext_exprs FROM PUBLIC;
  END IF;
END $$;

CREATE SCHEMA IF NOT EXISTS keepsake;
CREATE SCHEMA IF NOT EXISTS read;
GRANT USAGE ON SCHEMA keepsake, read TO keepsake_writer, keepsake_reader, keepsake_command_reader;

CREATE TABLE IF NOT EXISTS keepsake.migration (
  name       text PRIMARY KEY,
  version    text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now()
)";
