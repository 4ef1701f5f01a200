//! What must hold of the tables whatever their SQL says: the catalog itself is asked. Run by every migration, and by a test.

use tokio_postgres::GenericClient;

/// One row per fault; every query has one column, what is at fault.
const CHECKS: &[(&str, &str)] = &[
    (
        "has no pp, no position or no primary key, so that nobody can prove it",
        "
-- tables_without_proof()
SELECT c.oid::regclass::text FROM pg_class c
WHERE c.relkind IN ('r', 'p') AND c.relnamespace::regnamespace::text ~ '^read(_|$)'
  AND ((SELECT count(*) FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attname IN ('pp', 'position') AND a.attnotnull) < 2
       OR NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary))",
    ),
    (
        "has no tenant",
        "
-- tables_without_tenant()
SELECT c.oid::regclass::text FROM pg_class c
WHERE c.relkind IN ('r', 'p') AND c.relnamespace::regnamespace::text ~ '^read(_|$)'
  AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant' AND a.attnotnull)",
    ),
    (
        "has a tenant and no forced row-level security",
        "
-- tables_without_row_level_security()
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant'
WHERE c.relkind IN ('r', 'p') AND c.relnamespace::regnamespace::text ~ '^(keepsake$|read(_|$))'
  AND NOT (c.relrowsecurity AND c.relforcerowsecurity)",
    ),
    (
        "is unique across tenants",
        "
-- unique_indexes_without_tenant()
SELECT i.indexrelid::regclass::text
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant'
WHERE i.indisunique AND c.relnamespace::regnamespace::text ~ '^(keepsake$|read(_|$))'
  AND NOT a.attnum = ANY (i.indkey::int2[])",
    ),
    (
        "is a materialized view, which row-level security does not reach",
        "
-- materialized_views()
SELECT oid::regclass::text FROM pg_class
WHERE relkind = 'm' AND relnamespace::regnamespace::text ~ '^(keepsake$|read(_|$))'",
    ),
    (
        "is a view that reads as its owner",
        "
-- views_without_security_invoker()
SELECT oid::regclass::text FROM pg_class
WHERE relkind = 'v' AND relnamespace::regnamespace::text ~ '^(keepsake$|read(_|$))'
  AND NOT COALESCE(reloptions, '{}') && ARRAY['security_invoker=true', 'security_invoker=on', 'security_invoker=1']",
    ),
    (
        "may be changed by readers",
        "
-- tables_readers_may_change()
SELECT oid::regclass::text FROM pg_class
WHERE relkind IN ('r', 'p', 'v') AND relnamespace::regnamespace::text ~ '^(keepsake$|read(_|$))'
  AND (has_table_privilege('keepsake_reader', oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
       OR has_table_privilege('keepsake_command_reader', oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER'))",
    ),
    (
        "lets a reader see more than one tenant",
        "
-- policies_that_admit_readers()
SELECT polrelid::regclass::text FROM pg_policy JOIN pg_class c ON c.oid = polrelid
WHERE c.relnamespace::regnamespace::text ~ '^(keepsake$|read(_|$))'
  AND polroles && ARRAY[0::oid, 'keepsake_reader'::regrole::oid]
  AND pg_get_expr(polqual, polrelid) NOT LIKE '(tenant = NULLIF(current_setting(''keepsake.tenant''::text, true), ''''::text))'",
    ),
    (
        "is read by the command side, which may read the command log only",
        "
-- tables_the_command_side_may_read()
SELECT oid::regclass::text FROM pg_class
WHERE relkind IN ('r', 'p', 'v') AND relnamespace::regnamespace::text ~ '^(keepsake$|read(_|$))'
  AND has_any_column_privilege('keepsake_command_reader', oid, 'SELECT')
  AND relnamespace::regnamespace::text !~ '^read_command_log_[0-9]+$'
  AND oid <> ALL (ARRAY['read.command_log', 'keepsake.progress', 'keepsake.generation_progress', 'keepsake.generation',
                        'keepsake.checkpoint', 'keepsake.lane', 'keepsake.log', 'keepsake.parked_commit']::regclass[]::oid[])",
    ),
    (
        "is a role that row-level security does not bind",
        "
-- unbound_roles()
SELECT rolname::text FROM pg_roles
WHERE rolname IN ('keepsake_reader', 'keepsake_writer', 'keepsake_command_reader') AND (rolsuper OR rolbypassrls OR rolcreaterole)",
    ),
];

/// Everything by which one tenant could see or touch another's rows; empty when all is well.
pub async fn faults(client: &impl GenericClient) -> Result<Vec<String>, tokio_postgres::Error> {
    let mut faults = Vec::new();
    for (fault, query) in CHECKS {
        for row in client.query(*query, &[]).await? {
            faults.push(format!("{} {fault}", row.try_get::<_, String>(0)?));
        }
    }
    Ok(faults)
}
