//! What each role that a service acts as may do with each table there is, by the catalog and not by a list.

use tokio_postgres::Client as Postgres;
use tokio_postgres::error::SqlState;

use super::fixture::{OURS, Relation, THEIRS, Two, count, may_select};

const SET_TENANT: &str = "SELECT set_config('keepsake.tenant', $1, false)";
/// What Postgres tells of columns' values, and of other tenants' by them.
const STATISTICS: [&str; 5] =
    ["pg_stats", "pg_stats_ext", "pg_stats_ext_exprs", "pg_statistic", "pg_statistic_ext_data"];

async fn assert_refused(role: &Postgres, statement: &str) {
    let refused = role.batch_execute(statement).await.expect_err(statement);
    assert_eq!(refused.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{statement}: {refused:?}");
}

/// Nobody of those who only read writes, and nobody at all empties a table, or changes what binds him.
async fn assert_only_reads(role: &Postgres, relation: &Relation) {
    let name = &relation.name;
    for statement in [
        format!("INSERT INTO {name} (tenant) SELECT 'ours'"),
        format!("UPDATE {name} SET tenant = 'ours'"),
        format!("DELETE FROM {name}"),
    ] {
        assert_refused(role, &statement).await;
    }
    assert_owns_nothing(role, relation).await;
}

async fn assert_owns_nothing(role: &Postgres, relation: &Relation) {
    let Relation { name, is_view, .. } = relation;
    if !is_view {
        assert_refused(role, &format!("TRUNCATE {name}")).await;
        assert_refused(role, &format!("ALTER TABLE {name} DISABLE ROW LEVEL SECURITY")).await;
        assert_refused(role, &format!("CREATE POLICY all_of_it ON {name} USING (true)")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_role_sees_of_every_table_what_its_service_may_and_changes_no_more() {
    let two = Two::start().await;
    assert!(two.relations.iter().filter(|relation| relation.name.contains(".profile")).count() >= 3, "two generations");
    let ours = format!("tenant = '{OURS}'");
    let reader = two.world.database.connect(&two.world.database.reader).await;
    let mut readable = 0;
    for relation in &two.relations {
        if may_select(&reader, relation).await {
            readable += 1;
            assert_eq!(count(&reader, &relation.name, "true").await, 0, "{} without a tenant", relation.name);
        } else {
            assert_refused(&reader, &format!("SELECT count(*) FROM {}", relation.name)).await;
        }
        assert_only_reads(&reader, relation).await;
    }
    assert!(readable > schema::read_models().count() * 2, "tables and their views are read");
    for (tenant, is_one) in [(OURS, true), (THEIRS, true), ("nobody", false), ("", false)] {
        reader.query_one(SET_TENANT, &[&tenant]).await.expect("sets");
        for relation in &two.relations {
            if may_select(&reader, relation).await {
                let of_it = count(&two.admin, &relation.name, &format!("tenant = '{tenant}'")).await;
                assert_eq!(count(&reader, &relation.name, "true").await, of_it, "{} of {tenant}", relation.name);
                assert_eq!(of_it > 0, is_one, "{} of {tenant}", relation.name);
            }
        }
    }

    let command_side = two.world.database.connect(&two.world.database.command_reader).await;
    command_side.query_one(SET_TENANT, &[&OURS]).await.expect("sets");
    for relation in &two.relations {
        let is_its_own = relation.name.contains("command_log") || relation.name == "keepsake.parked_commit";
        assert_eq!(may_select(&command_side, relation).await, is_its_own, "{}", relation.name);
        assert_only_reads(&command_side, relation).await;
    }

    let writer = two.world.database.connect(&two.world.database.writer).await;
    for relation in &two.relations {
        assert_owns_nothing(&writer, relation).await;
        if may_select(&writer, relation).await {
            for of in [ours.as_str(), &format!("tenant = '{THEIRS}'")] {
                assert!(count(&writer, &relation.name, of).await > 0, "{} for all tenants", relation.name);
            }
        }
    }
    for role in [&reader, &command_side, &writer] {
        for statistics in STATISTICS {
            assert_refused(role, &format!("SELECT count(*) FROM pg_catalog.{statistics}")).await;
        }
        assert_refused(role, "CREATE TABLE public.mine (a text)").await;
        assert_refused(role, "CREATE TABLE read.mine (a text)").await;
        assert_refused(role, "CREATE SCHEMA mine").await;
        assert_refused(role, "CREATE ROLE mine").await;
    }
}
