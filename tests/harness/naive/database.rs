//! Every table of the read models, read back column by column as it is.

use std::collections::BTreeMap;

use tokio_postgres::{Client, Row as Answer};

use super::table::{Cell, Row};
use crate::harness::World;

/// Asked of the catalog: a table or a column nobody told us of is found as well.
const COLUMNS: &str = "
SELECT c.relname::text, a.attname::text, a.atttypid::regtype::text
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'read'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
  AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY c.relname, a.attnum";

/// A table as it stands.
#[derive(Default)]
pub(super) struct Found {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Row>,
}

pub(super) async fn read(world: &World) -> BTreeMap<String, Found> {
    let admin = world.database.connect(&world.database.read_admin).await;
    let mut columns: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for row in admin.query(COLUMNS, &[]).await.expect("the catalog") {
        columns.entry(row.get(0)).or_default().push((row.get(1), row.get(2)));
    }
    let mut tables = BTreeMap::new();
    for (table, columns) in columns {
        let rows = rows(&admin, &table, &columns).await;
        let columns = columns.into_iter().map(|(column, _)| column).collect();
        tables.insert(table, Found { columns, rows });
    }
    tables
}

async fn rows(admin: &Client, table: &str, columns: &[(String, String)]) -> Vec<Row> {
    let columns: Vec<String> = columns.iter().map(|(column, of_type)| selected(column, of_type)).collect();
    let query = format!("SELECT {} FROM read.{table}", columns.join(", "));
    admin.query(&query, &[]).await.expect("the rows").iter().map(row).collect()
}

/// Brings what is stored in several widths to one, and leaves JSON the text it is.
fn selected(column: &str, of_type: &str) -> String {
    match of_type {
        "smallint" | "integer" => format!("{column}::bigint"),
        "json" => format!("{column}::text"),
        _ => column.to_owned(),
    }
}

fn row(answer: &Answer) -> Row {
    let mut row = Row::default();
    for (at, column) in answer.columns().iter().enumerate() {
        row.set(column.name(), cell(answer, at));
    }
    row
}

fn cell(answer: &Answer, at: usize) -> Cell {
    let column = &answer.columns()[at];
    let cell = match column.type_().name() {
        "int8" => answer.get::<_, Option<i64>>(at).map(Cell::Number),
        "bool" => answer.get::<_, Option<bool>>(at).map(Cell::Truth),
        "text" => answer.get::<_, Option<String>>(at).map(Cell::Text),
        "timestamptz" => answer.get::<_, Option<_>>(at).map(Cell::Time),
        other => panic!("{} is {other}, and nobody has said yet how that is compared", column.name()),
    };
    cell.unwrap_or(Cell::Null)
}
