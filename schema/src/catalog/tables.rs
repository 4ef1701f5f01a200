//! What must hold of tables, views and functions: a tenant in every key, row-level security over every row.

use super::{Check, is_ours};

pub(super) const CHECKS: &[Check] = &[
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
        concat!(
            "
-- tables_without_row_level_security()
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant'
WHERE c.relkind IN ('r', 'p', 'f') AND NOT (c.relrowsecurity AND c.relforcerowsecurity) AND ",
            is_ours!("c.relnamespace")
        ),
    ),
    (
        "is unique across tenants",
        concat!(
            "
-- unique_indexes_without_tenant()
SELECT i.indexrelid::regclass::text
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant'
WHERE (i.indisunique OR i.indisexclusion) AND a.attnum <> ALL ((i.indkey::int2[])[0:i.indnkeyatts - 1]) AND ",
            is_ours!("c.relnamespace")
        ),
    ),
    (
        "is a foreign key that may lead to another tenant's row",
        concat!(
            "
-- foreign_keys_without_tenant()
SELECT format('%s of %s', k.conname, k.conrelid::regclass)
FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid
LEFT JOIN pg_attribute here ON here.attrelid = k.conrelid AND here.attname = 'tenant'
LEFT JOIN pg_attribute there ON there.attrelid = k.confrelid AND there.attname = 'tenant'
WHERE k.contype = 'f' AND (here.attnum IS NOT NULL OR there.attnum IS NOT NULL)
  AND NOT EXISTS (SELECT FROM unnest(k.conkey, k.confkey) AS pair (here, there)
                  WHERE pair.here = here.attnum AND pair.there = there.attnum) AND ",
            is_ours!("c.relnamespace")
        ),
    ),
    (
        "is a materialized view, which row-level security does not reach",
        concat!(
            "
-- materialized_views()
SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind = 'm' AND ",
            is_ours!("c.relnamespace")
        ),
    ),
    (
        "is a view that reads as its owner",
        concat!(
            "
-- views_without_security_invoker()
SELECT c.oid::regclass::text FROM pg_class c
WHERE c.relkind = 'v'
  AND NOT COALESCE(c.reloptions, '{}') && ARRAY['security_invoker=true', 'security_invoker=on', 'security_invoker=1'] AND ",
            is_ours!("c.relnamespace")
        ),
    ),
    (
        "is a function that acts as its owner with names its caller may choose",
        concat!(
            "
-- functions_without_search_path()
SELECT p.oid::regprocedure::text FROM pg_proc p
WHERE p.prosecdef AND NOT EXISTS (SELECT FROM unnest(p.proconfig) AS setting WHERE setting LIKE 'search_path=%') AND ",
            is_ours!("p.pronamespace")
        ),
    ),
];
