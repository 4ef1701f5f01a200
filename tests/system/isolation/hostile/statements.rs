//! SQL as somebody would try it who wants to see what is not his: made by chance, the same for the same seed.

use super::super::fixture::{OURS, Relation};
use keepsake_tests::harness::Dice;

/// What Postgres has beside our tables, and may tell of them.
const SYSTEM: [&str; 16] = [
    "pg_stats",
    "pg_stats_ext",
    "pg_statistic",
    "pg_statistic_ext_data",
    "pg_stat_activity",
    "pg_stat_user_tables",
    "pg_statio_user_indexes",
    "pg_prepared_statements",
    "pg_cursors",
    "pg_locks",
    "pg_authid",
    "pg_shadow",
    "pg_largeobject",
    "pg_policies",
    "pg_settings",
    "information_schema.columns",
];

/// With a tenant in them, and always true or for others' rows; `{c}` is a column.
const CONDITIONS: [&str; 20] = [
    "true",
    "t.tenant <> current_setting('keepsake.tenant')",
    "t.tenant IS DISTINCT FROM current_setting('keepsake.tenant')",
    "t.tenant > ''",
    "NOT t.tenant = 'ours'",
    "1 = 1 OR t.tenant IS NULL",
    "t.tenant ~ '.' AND {c}::text <> ''",
    "t.tenant LIKE '%' OR false",
    "{c}::text SIMILAR TO '%'",
    "{c}::text ~ '('",
    "{c}::text LIKE '\\'",
    "pg_temp.tell({c}::text)",
    "pg_temp.tell(t.tenant) OR pg_temp.tell(t::text)",
    "pg_temp.fail(t::text)",
    "{c}::text OPERATOR(pg_temp.<<<) '%'",
    "1 / (length({c}::text) % 3) > 0",
    "{c}::text::int > 0",
    "(t::text)::uuid IS NULL",
    "t.ctid > '(0,0)' AND length({c}::text) > 0",
    "EXISTS (SELECT FROM {r} u WHERE u.tenant <> t.tenant)",
];

/// Whatever goes before a query.
const EXPLAIN: [&str; 4] = [
    "EXPLAIN ",
    "EXPLAIN (ANALYZE, VERBOSE, BUFFERS, TIMING off) ",
    "EXPLAIN (VERBOSE, SETTINGS, FORMAT json) ",
    "EXPLAIN (ANALYZE, FORMAT xml, COSTS off) ",
];

/// Queries of one relation `{r}` with a column `{c}`, under a condition `{w}`.
const OF_ONE: [&str; 38] = [
    "SELECT * FROM {r} t WHERE {w} LIMIT 20",
    "SELECT t FROM ONLY {r} t WHERE {w} LIMIT 20",
    "SELECT ctid, xmin, tableoid::regclass, t.* FROM {r} t WHERE {w} ORDER BY 1 DESC LIMIT 20",
    "SELECT * FROM {r} t TABLESAMPLE SYSTEM (100) WHERE {w} LIMIT 20",
    "SELECT t.tenant, {c} FROM {r} t WHERE {w} ORDER BY {c}::text DESC OFFSET 1 LIMIT 20",
    "SELECT DISTINCT ON ({c}::text) t::text FROM {r} t WHERE {w} LIMIT 20",
    "SELECT string_agg(t::text, ',') FROM {r} t WHERE {w}",
    "SELECT json_agg(t), array_agg(t::text) FROM {r} t WHERE {w}",
    "SELECT to_jsonb(t), row(t.*)::text FROM {r} t WHERE {w} LIMIT 20",
    "SELECT max(t.tenant), min({c}::text), count(*) FROM {r} t WHERE {w}",
    "SELECT t.tenant, count(*) FROM {r} t WHERE {w} GROUP BY GROUPING SETS ((t.tenant), ()) HAVING count(*) > 0",
    "SELECT lag({c}::text) OVER w, first_value(t.tenant) OVER w FROM {r} t WHERE {w} WINDOW w AS (ORDER BY t.tenant DESC) LIMIT 20",
    "SELECT percentile_disc(1) WITHIN GROUP (ORDER BY {c}::text) FROM {r} t WHERE {w}",
    "SELECT (SELECT string_agg(u::text, ',') FROM {r} u), t.tenant FROM {r} t WHERE {w} LIMIT 5",
    "SELECT * FROM (SELECT t.* FROM {r} t OFFSET 0) t WHERE {w} LIMIT 20",
    "WITH t AS MATERIALIZED (SELECT * FROM {r}) SELECT * FROM t WHERE {w} LIMIT 20",
    "WITH RECURSIVE v (said, n) AS (SELECT t::text, 1 FROM {r} t WHERE {w} UNION ALL SELECT said || n, n + 1 FROM v WHERE n < 3) SELECT * FROM v LIMIT 20",
    "SELECT {c}::text::int FROM {r} t WHERE {w} LIMIT 20",
    "SELECT ({c}::text)::jsonb, ({c}::text)::timestamptz FROM {r} t WHERE {w} LIMIT 20",
    "SELECT (t::text)::inet FROM {r} t WHERE {w} LIMIT 20",
    "SELECT substring({c}::text FROM '(' FOR '#'), regexp_matches({c}::text, '*') FROM {r} t WHERE {w} LIMIT 20",
    "SELECT convert_from(convert_to({c}::text, 'LATIN1'), 'UTF8'), chr(length({c}::text) - 1000) FROM {r} t WHERE {w} LIMIT 20",
    "SELECT query_to_xml('SELECT * FROM {r} LIMIT 20', true, false, ''), 1 FROM {r} t WHERE {w} LIMIT 1",
    "SELECT table_to_xml('{r}'::regclass, true, false, '')",
    "SELECT word FROM ts_stat('SELECT to_tsvector(t::text) FROM {r} t') LIMIT 50",
    "SELECT xmlelement(name a, xmlattributes({c}::text AS b), t.tenant) FROM {r} t WHERE {w} LIMIT 20",
    "SELECT set_config('row_security', 'off', true), t::text FROM {r} t WHERE {w} LIMIT 20",
    "SELECT t::text FROM (SELECT set_config('role', 'keepsake_writer', true)) AS s, {r} t WHERE {w} LIMIT 20",
    "SELECT set_config('keepsake.tenant', (SELECT max(u.tenant) FROM {r} u WHERE u.tenant <> 'ours'), true), t.tenant FROM {r} t LIMIT 20",
    "SELECT set_config('keepsake.tenant', t.tenant, true), set_config('a.b', t::text, true) FROM {r} t WHERE {w} LIMIT 20",
    "SELECT pg_notify('heard', left(t::text, 4000)), lo_from_bytea(0, ''), pg_advisory_xact_lock_shared(1) FROM {r} t WHERE {w} LIMIT 5",
    "SELECT pg_get_expr(polqual, polrelid), t.tenant FROM pg_policy, {r} t WHERE polrelid = '{r}'::regclass LIMIT 5",
    "SELECT histogram_bounds, most_common_vals FROM pg_stats WHERE tablename <> '' AND '{r}' <> ''",
    "SELECT t::text FROM {r} t WHERE {w} FOR UPDATE",
    "VALUES ((SELECT string_agg({c}::text, ',') FROM {r} t WHERE {w}), (SELECT max(tenant) FROM {r}))",
    "TABLE {r} LIMIT 20",
    "SELECT currval('keepsake.lane_epoch'), t.tenant FROM {r} t LIMIT 1",
    "SELECT CASE WHEN {w} THEN 1 / (length({c}::text) - length({c}::text)) ELSE 0 END FROM {r} t LIMIT 20",
];

/// Queries of two relations `{r}` and `{s}`.
const OF_TWO: [&str; 13] = [
    "SELECT t::text, u::text FROM {r} t CROSS JOIN {s} u WHERE {w} LIMIT 20",
    "SELECT t::text, u::text FROM {r} t JOIN {s} u ON u.tenant <> t.tenant WHERE {w} LIMIT 20",
    "SELECT t::text, u::text FROM {r} t FULL JOIN {s} u ON u.tenant = t.tenant WHERE {w} LIMIT 20",
    "SELECT u::text FROM {r} t LEFT JOIN {s} u USING (tenant) WHERE {w} LIMIT 20",
    "SELECT u.* FROM {r} t NATURAL JOIN {s} u WHERE {w} LIMIT 20",
    "SELECT t.tenant FROM {r} t WHERE {w} UNION ALL SELECT u::text FROM {s} u LIMIT 40",
    "SELECT t.tenant FROM {r} t WHERE {w} INTERSECT SELECT u.tenant FROM {s} u",
    "SELECT t::text FROM {r} t WHERE {w} EXCEPT SELECT u::text FROM {s} u LIMIT 20",
    "SELECT u.said FROM {r} t CROSS JOIN LATERAL (SELECT s::text AS said FROM {s} s WHERE s.tenant <> t.tenant OR {w}) AS u LIMIT 20",
    "SELECT t::text FROM {r} t WHERE t.tenant IN (SELECT u.tenant FROM {s} u) AND {w} LIMIT 20",
    "SELECT t::text FROM {r} t WHERE t.tenant <> ALL (ARRAY(SELECT u.tenant FROM {s} u WHERE u.tenant = 'ours')) AND {w} LIMIT 20",
    "SELECT ARRAY(SELECT u::text FROM {s} u LIMIT 20), t.tenant FROM {r} t WHERE {w} LIMIT 3",
    "SELECT (SELECT u::text FROM {s} u WHERE pg_temp.tell(u::text)), t.tenant FROM {r} t WHERE {w} LIMIT 3",
];

/// What changes something, or would.
const DEEDS: [&str; 31] = [
    "INSERT INTO {r} SELECT * FROM {r} t WHERE {w} RETURNING *",
    "UPDATE {r} t SET tenant = 'ours' WHERE {w} RETURNING *",
    "DELETE FROM {r} t WHERE {w} RETURNING *",
    "MERGE INTO {r} t USING {r} u ON t.tenant = u.tenant WHEN MATCHED THEN DELETE",
    "WITH gone AS (DELETE FROM {r} t RETURNING *) SELECT * FROM gone",
    "TRUNCATE {r}",
    "LOCK TABLE {r} IN ACCESS EXCLUSIVE MODE",
    "ALTER TABLE {r} DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE {r} NO FORCE ROW LEVEL SECURITY",
    "ALTER TABLE {r} OWNER TO CURRENT_USER",
    "DROP POLICY reader ON {r}",
    "ALTER POLICY reader ON {r} USING (true)",
    "CREATE POLICY mine ON {r} USING (true)",
    "GRANT SELECT ON {r} TO PUBLIC",
    "GRANT keepsake_writer TO CURRENT_USER",
    "SET ROLE keepsake_writer",
    "SET SESSION AUTHORIZATION keepsake_writer_login",
    "ALTER ROLE CURRENT_USER BYPASSRLS",
    "ALTER FUNCTION pg_temp.tell(text) LEAKPROOF",
    "CREATE FUNCTION read.mine() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT 1::text'",
    "CREATE VIEW read.mine AS SELECT * FROM {r}",
    "CREATE TABLE public.mine AS SELECT * FROM {r}",
    "CREATE INDEX ON {r} (tenant) WHERE pg_temp.tell(tenant)",
    "CREATE STATISTICS mine ON tenant, position FROM {r}",
    "ANALYZE {r}",
    "COPY {r} TO '/tmp/mine'",
    "COPY (SELECT * FROM {r}) TO PROGRAM 'cat'",
    "SELECT pg_read_file('PG_VERSION'), pg_ls_dir('base'), tenant FROM {r} LIMIT 1",
    "DO $$ BEGIN RAISE EXCEPTION '%', (SELECT string_agg(t::text, ',') FROM {r} t WHERE {w}); END $$",
    "DO $$ DECLARE said text; BEGIN FOR said IN EXECUTE 'SELECT t::text FROM {r} t' LOOP RAISE NOTICE '%', said; END LOOP; END $$",
    "DO $$ BEGIN PERFORM 1 / 0 FROM {r} t WHERE {w}; EXCEPTION WHEN division_by_zero THEN RAISE EXCEPTION '%', (SELECT max(tenant) FROM {r}); END $$",
];

/// Makes one try after the other.
pub(super) struct Attacker<'a> {
    relations: &'a [Relation],
    readable: &'a [Relation],
    dice: Dice,
}

impl<'a> Attacker<'a> {
    /// `readable` are those that its role may select from.
    pub(super) fn new(relations: &'a [Relation], readable: &'a [Relation], dice: Dice) -> Self {
        Self { relations, readable, dice }
    }

    pub(super) fn statement(&mut self) -> String {
        let shape = match self.dice.below(20) {
            0 => format!("SELECT * FROM {} LIMIT 50", self.dice.of(&SYSTEM)),
            1..=11 => (*self.dice.of(&OF_ONE)).to_owned(),
            12..=16 => (*self.dice.of(&OF_TWO)).to_owned(),
            _ => (*self.dice.of(&DEEDS)).to_owned(),
        };
        let explained = self.dice.one_in(8) && shape.starts_with(['S', 'W']) && !shape.starts_with("SET");
        let explain = if explained { *self.dice.of(&EXPLAIN) } else { "" };
        let (relation, other) = (self.relation(), self.relation());
        let column = format!("t.{}", self.dice.of(&relation.columns));
        let condition = (0..=self.dice.below(2)).map(|_| *self.dice.of(&CONDITIONS)).collect::<Vec<_>>();
        let condition = format!("({})", condition.join(if self.dice.one_in(2) { " AND " } else { " OR " }));
        let statement = format!("{explain}{shape}").replace("{w}", &condition).replace("{c}", &column);
        statement.replace("{r}", &relation.name).replace("{s}", &other.name).replace("'ours'", &format!("'{OURS}'"))
    }

    /// Mostly one that the role may read: a refusal shows nothing of rows.
    fn relation(&mut self) -> &'a Relation {
        let relations = if self.dice.one_in(5) { self.relations } else { self.readable };
        self.dice.of(relations)
    }
}
