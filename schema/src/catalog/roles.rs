//! What must hold of the roles: each service may do its own work, and none may go past row-level security.

use super::{Check, is_ours, run_time_roles};

pub(super) const CHECKS: &[Check] = &[
    (
        "may be changed by readers",
        concat!(
            "
-- tables_readers_may_change()
SELECT format('%s, by %s,', c.oid::regclass, role)
FROM pg_class c CROSS JOIN unnest(ARRAY['keepsake_reader', 'keepsake_command_reader']) AS role
WHERE c.relkind IN ('r', 'p', 'v', 'f')
  AND (has_table_privilege(role, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
       OR has_any_column_privilege(role, c.oid, 'INSERT, UPDATE, REFERENCES')) AND ",
            is_ours!("c.relnamespace")
        ),
    ),
    (
        "may be emptied, referred to or given triggers by who only writes its rows",
        concat!(
            "
-- tables_the_writer_may_do_too_much_with()
SELECT c.oid::regclass::text FROM pg_class c
WHERE c.relkind IN ('r', 'p', 'v', 'f')
  AND (has_table_privilege('keepsake_writer', c.oid, 'TRUNCATE, REFERENCES, TRIGGER')
       OR has_any_column_privilege('keepsake_writer', c.oid, 'REFERENCES')) AND ",
            is_ours!("c.relnamespace")
        ),
    ),
    (
        "is a place where a service may make tables or functions of its own",
        concat!(
            "
-- places_to_create_in()
SELECT format('schema %s, for %s,', n.nspname, role.name)
FROM pg_namespace n CROSS JOIN ",
            run_time_roles!(),
            "
WHERE has_schema_privilege(role.id, n.oid, 'CREATE') AND (n.nspname = 'public' OR ",
            is_ours!("n.oid"),
            ")
UNION ALL
SELECT format('database %s, for %s,', current_database(), role.name)
FROM ",
            run_time_roles!(),
            "
WHERE has_database_privilege(role.id, current_database(), 'CREATE')"
        ),
    ),
    (
        "belongs to a role that a service acts as, and owners change what binds them",
        concat!(
            "
-- owned_by_services()
SELECT format('%s %s', owned.what, owned.name)
FROM (SELECT 'relation', c.oid::regclass::text, c.relowner FROM pg_class c WHERE ",
            is_ours!("c.relnamespace"),
            "
      UNION ALL
      SELECT 'function', p.oid::regprocedure::text, p.proowner FROM pg_proc p WHERE ",
            is_ours!("p.pronamespace"),
            "
      UNION ALL
      SELECT 'schema', n.nspname, n.nspowner FROM pg_namespace n WHERE ",
            is_ours!("n.oid"),
            "
      UNION ALL
      SELECT 'database', d.datname, d.datdba FROM pg_database d WHERE d.datname = current_database()) AS owned (what, name, owner)
WHERE EXISTS (SELECT FROM ",
            run_time_roles!(),
            " WHERE pg_has_role(role.id, owned.owner, 'MEMBER'))"
        ),
    ),
    (
        "lets a reader see more than one tenant",
        concat!(
            "
-- policies_that_admit_readers()
SELECT format('policy %s of %s', polname, polrelid::regclass) FROM pg_policy JOIN pg_class c ON c.oid = polrelid
WHERE polpermissive AND polroles && ARRAY[0::oid, 'keepsake_reader'::regrole::oid]
  AND pg_get_expr(polqual, polrelid)
      IS DISTINCT FROM '(tenant = NULLIF(current_setting(''keepsake.tenant''::text, true), ''''::text))' AND ",
            is_ours!("c.relnamespace")
        ),
    ),
    (
        "is read by the command side, which may read the command log only",
        concat!(
            "
-- tables_the_command_side_may_read()
SELECT c.oid::regclass::text FROM pg_class c
WHERE c.relkind IN ('r', 'p', 'v', 'f')
  AND has_any_column_privilege('keepsake_command_reader', c.oid, 'SELECT')
  AND c.relnamespace::regnamespace::text !~ '^read_command_log_[0-9]+$'
  AND c.oid <> ALL (ARRAY['read.command_log', 'keepsake.progress', 'keepsake.generation_progress', 'keepsake.generation',
                          'keepsake.checkpoint', 'keepsake.lane', 'keepsake.log', 'keepsake.parked_commit']::regclass[]::oid[]) AND ",
            is_ours!("c.relnamespace")
        ),
    ),
    (
        "is a role that row-level security does not bind, or one that makes such roles",
        concat!(
            "
-- unbound_roles()
SELECT r.rolname::text FROM pg_roles r
WHERE (r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication)
  AND (r.rolsuper OR r.rolname <> current_user) AND EXISTS (SELECT FROM ",
            run_time_roles!(),
            "
              WHERE r.oid = role.id
                 OR pg_has_role(r.oid, role.id, 'USAGE')
                    AND EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid AND m.roleid = role.id))"
        ),
    ),
    (
        "is a role that a service acts as, and has rights of Postgres' own beside it",
        concat!(
            "
-- roles_with_predefined_rights()
SELECT format('%s, with %s,', r.rolname, m.roleid::regrole)
FROM pg_roles r JOIN pg_auth_members m ON m.member = r.oid
WHERE m.roleid::regrole::text ~ '^pg_' AND NOT r.rolsuper
  AND EXISTS (SELECT FROM ",
            run_time_roles!(),
            " WHERE pg_has_role(r.oid, role.id, 'USAGE'))"
        ),
    ),
    (
        "is a login that may act as two services, and reads by the wider of two policies",
        concat!(
            "
-- logins_of_two_services()
SELECT r.rolname::text FROM pg_roles r
WHERE NOT r.rolsuper AND r.rolname <> current_user AND (SELECT count(*) FROM ",
            run_time_roles!(),
            " WHERE pg_has_role(r.oid, role.id, 'USAGE')) > 1"
        ),
    ),
];
