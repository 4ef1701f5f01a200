//! The log folded a second time, the plainest way there is: what the read models have to be.
//!
//! No line is shared with projection-workers and no rule with `schema`: what both sides agree on was found twice. Commits come
//! one by one, rows lie in maps, nothing is batched.

mod database;
mod fold;
mod log;
mod table;

use std::collections::BTreeSet;

use database::Found;
use table::{Key, Row, Table, Tables, key_columns};

use super::World;

/// Differences named when there are many.
const SHOWN: usize = 10;

/// Holds every read model against the whole log, as both are now: whoever has written waits until it is folded.
pub async fn assert_tables_equal(world: &World) {
    let differences = differences(world).await;
    let shown = differences.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n");
    assert!(differences.is_empty(), "{} differences between the read models and the log:\n{shown}", differences.len());
}

/// Each place where a read model is not what the log says: table, key, column, and both values.
pub async fn differences(world: &World) -> Vec<String> {
    let mut tables = Tables::default();
    for commit in log::read(world).await {
        fold::fold(&mut tables, &commit);
    }
    let mut found = database::read(world).await;
    let mut differences = Vec::new();
    for (name, table) in &tables.0 {
        match found.remove(*name) {
            Some(found) => differences.extend(table_differences(name, table, &found)),
            None => differences.push(format!("{name} is not in the database")),
        }
    }
    differences.extend(found.keys().map(|unknown| format!("{unknown} is not folded here")));
    differences
}

fn table_differences(name: &str, table: &Table, found: &Found) -> Vec<String> {
    let mut differences = column_differences(name, table, found);
    let mut rows = Table::new();
    for row in &found.rows {
        if rows.insert(row.key(key_columns(name)), row.clone()).is_some() {
            differences.push(format!("{name} {}: two rows have this key", row.key(key_columns(name))));
        }
    }
    let keys: BTreeSet<&Key> = table.keys().chain(rows.keys()).collect();
    for key in keys {
        match (table.get(key), rows.get(key)) {
            (Some(expected), Some(row)) => differences.extend(row_differences(&format!("{name} {key}"), expected, row)),
            (Some(_), None) => differences.push(format!("{name} {key}: the row is missing")),
            (None, _) => differences.push(format!("{name} {key}: nothing in the log makes this row")),
        }
    }
    differences
}

/// A column only one side knows is one that nobody compares.
fn column_differences(name: &str, table: &Table, found: &Found) -> Vec<String> {
    let columns: BTreeSet<&str> = found.columns.iter().map(String::as_str).collect();
    let mut differences = BTreeSet::new();
    for row in table.values() {
        let folded: BTreeSet<&str> = row.0.keys().map(String::as_str).collect();
        differences.extend(columns.difference(&folded).map(|column| format!("{name}: {column} is not folded here")));
        for column in folded.difference(&columns) {
            differences.insert(format!("{name}: the table has no {column}"));
        }
    }
    differences.into_iter().collect()
}

fn row_differences(place: &str, expected: &Row, found: &Row) -> Vec<String> {
    let mut differences = Vec::new();
    for (column, expected) in &expected.0 {
        if let Some(found) = found.0.get(column)
            && found != expected
        {
            differences.push(format!("{place}: {column} is {found}, should be {expected}"));
        }
    }
    differences
}
