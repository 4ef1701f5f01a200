//! A comparison that finds no difference says something only when it finds those there are.

use keepsake_tests::harness::{Client, InProcess, World, naive, table as behind, until_folded};
use tokio_postgres::Client as Postgres;

use super::write_some;

const TABLES: &str = "SELECT DISTINCT table_name::text FROM information_schema.columns WHERE table_schema = 'read'";

const COLUMNS_BESIDE_THE_KEY: &str = "
SELECT column_name::text, data_type::text FROM information_schema.columns
WHERE table_schema = 'read' AND table_name = $1 AND column_name NOT IN (
  SELECT column_name FROM information_schema.key_column_usage WHERE table_schema LIKE 'read%' AND table_name = $1)";

/// Read models as they have to be, with nobody who writes them, and their administrator.
async fn folded() -> (World, Postgres) {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    write_some(&client).await;
    // A column that is NULL is not changed by a little: the tenant's own are filled at its end.
    client.accepted("tenant.suspend", None, r#"{"reason":"abuse"}"#).await;
    until_folded(&world, &client).await;
    services.stop().await;
    naive::assert_tables_equal(&world).await;
    let admin = world.database.connect(&world.database.read_admin).await;
    (world, admin)
}

async fn tables(admin: &Postgres) -> Vec<String> {
    let tables = admin.query(TABLES, &[]).await.expect("the catalog");
    assert!(tables.len() >= super::TABLES.len());
    tables.iter().map(|row| row.get(0)).collect()
}

/// Each of the sentences begins and ends as one of the differences does, and there are no others.
fn assert_named(differences: &[String], sentences: &[(String, String)]) {
    for (begin, end) in sentences {
        let named = differences.iter().any(|found| found.starts_with(begin.as_str()) && found.contains(end.as_str()));
        assert!(named, "{begin}..{end} is not among {differences:#?}");
    }
    assert_eq!(differences.len(), sentences.len(), "{differences:#?}");
}

/// As little as a column of this type can be changed by.
fn changed(column: &str, of_type: &str) -> String {
    match of_type {
        "text" => format!("{column} = {column} || '?'"),
        "smallint" | "bigint" => format!("{column} = {column} + 1"),
        "boolean" => format!("{column} = {column} IS NOT TRUE"),
        "timestamp with time zone" => format!("{column} = COALESCE({column} + interval '1 microsecond', 'epoch')"),
        "json" => format!("{column} = COALESCE({column}::text || ' ', '1')::json"),
        other => panic!("{column} is {other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_row_is_named_with_each_of_its_columns() {
    let (world, admin) = folded().await;
    let mut expected = Vec::new();
    for table in tables(&admin).await {
        let mut changes = Vec::new();
        for row in admin.query(COLUMNS_BESIDE_THE_KEY, &[&table]).await.expect("the catalog") {
            let (column, of_type): (String, String) = (row.get(0), row.get(1));
            changes.push(changed(&column, &of_type));
            expected.push((format!("{table} ('demo'"), format!("): {column} is ")));
        }
        let behind = behind(&admin, &table).await;
        let one = format!("ctid = (SELECT ctid FROM {behind} LIMIT 1)");
        let damage = format!("UPDATE {behind} SET {} WHERE {one}", changes.join(", "));
        assert_eq!(admin.execute(&damage, &[]).await.expect("updates"), 1, "{table}");
    }
    assert_named(&naive::differences(&world).await, &expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_row_is_named() {
    let (world, admin) = folded().await;
    let mut expected = Vec::new();
    for table in tables(&admin).await {
        let behind = behind(&admin, &table).await;
        let one = format!("ctid = (SELECT ctid FROM {behind} LIMIT 1)");
        assert_eq!(admin.execute(&format!("DELETE FROM {behind} WHERE {one}"), &[]).await.expect("deletes"), 1);
        expected.push((format!("{table} ('demo'"), "): the row is missing".to_owned()));
    }
    assert_named(&naive::differences(&world).await, &expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_comes_from_nowhere_is_named() {
    let (world, admin) = folded().await;
    let mut expected = Vec::new();
    for table in tables(&admin).await {
        let of_nobody = r#"jsonb_populate_record(t, '{"tenant":"nobody"}')"#;
        let add = format!("INSERT INTO read.{table} SELECT ({of_nobody}).* FROM read.{table} t LIMIT 1");
        assert_eq!(admin.execute(&add, &[]).await.expect("inserts"), 1);
        expected.push((format!("{table} ('nobody'"), "): nothing in the log makes this row".to_owned()));
    }
    assert_named(&naive::differences(&world).await, &expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_or_column_only_one_side_knows_is_named() {
    let (world, admin) = folded().await;
    let other = "CREATE TABLE read.mood (tenant text); ALTER VIEW read.profile RENAME COLUMN version TO revision";
    admin.batch_execute(other).await.expect("alters");
    let unknown =
        ["profile: revision is not folded here", "profile: the table has no version", "mood is not folded here"];
    assert_eq!(naive::differences(&world).await, unknown);
}
