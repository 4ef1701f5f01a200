//! Comparing two generations of a read model row by row, while both are folded on.
//!
//! Of one snapshot it is known how far each generation is, partition by partition. A row that neither has changed beyond the nearer
//! of the two has to be the same in both; one that has moved is looked at again in a later snapshot, until each was compared once. A
//! row that only the one behind has may have been taken away since, and is one that moves.

use std::collections::BTreeSet;
use std::time::Duration;

use schema::Generation;
use serde_json::{Map, Value};
use tokio::time::Instant;
use tokio_postgres::{Client, Row};

use crate::verify::{Change, columns_that_differ};

/// Rows of one table that are told with their columns.
const TOLD: i64 = 20;
/// For rows that change all the time to be caught standing still in both.
const PATIENCE: Duration = Duration::from_secs(30);
const BETWEEN_ROUNDS: Duration = Duration::from_millis(200);

const SESSION: &str =
    "SET statement_timeout = '1h'; SET idle_in_transaction_session_timeout = '1min'; SET lock_timeout = '10s'";
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ";

const REACHED: &str = "
-- reached()
CREATE TEMPORARY TABLE reached ON COMMIT DROP AS
SELECT live.pp AS in_pp, live.position AS live_at, next.position AS next_at
FROM keepsake.generation_progress live
JOIN keepsake.generation_progress next ON next.pp = live.pp";

const COLUMNS: &str = "
-- columns_of()
SELECT a.attname::text AS name, EXISTS (
         SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY (i.indkey)) AS is_key
FROM pg_attribute a
WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum";

/// What was compared, and what is different.
#[derive(Debug, Default)]
pub struct Diff {
    pub tables: Vec<TableDiff>,
}

/// One table in both generations.
#[derive(Debug, Default)]
pub struct TableDiff {
    /// As readers name it, without its schema.
    pub name: String,
    /// Rows in each.
    pub live_rows: i64,
    pub next_rows: i64,
    /// Rows that are not the same in both, or in one alone.
    pub different: i64,
    /// The first 20 of them.
    pub told: Vec<Difference>,
    /// Rows that changed again and again while they were compared.
    pub unsettled: i64,
    /// Columns that only one of the two has: `+ mood`, `- tier`.
    pub columns: Vec<String>,
}

/// One row that is not the same.
#[derive(Debug, PartialEq, Eq)]
pub struct Difference {
    pub tenant: String,
    /// None when the row is about many.
    pub guest_id: Option<String>,
    pub pp: i64,
    pub position: i64,
    /// Column by column; values that may be personal are not in it.
    pub what: String,
}

impl Diff {
    /// Whether everything was compared, and readers would see the same.
    pub fn is_empty(&self) -> bool {
        let is_same = |table: &TableDiff| table.different == 0 && table.unsettled == 0 && table.columns.is_empty();
        self.tables.iter().all(is_same)
    }
}

/// Compares what is read with another generation, over a connection as the writer; `say` is told which table is looked at.
pub async fn diff(
    client: &Client,
    live: &Generation,
    next: &Generation,
    say: impl Fn(&str),
) -> Result<Diff, tokio_postgres::Error> {
    client.batch_execute(SESSION).await?;
    let names: BTreeSet<&String> = live.tables.iter().chain(&next.tables).collect();
    let mut diff = Diff::default();
    for name in names {
        say(name);
        diff.tables.push(Comparison::new(client, live, next, name).await?.run().await?);
    }
    Ok(diff)
}

struct Comparison<'a> {
    client: &'a Client,
    live: &'a Generation,
    next: &'a Generation,
    name: &'a str,
    /// Columns both have, and those of the key among them.
    columns: Vec<String>,
    key: Vec<String>,
    table: TableDiff,
}

impl<'a> Comparison<'a> {
    async fn new(
        client: &'a Client,
        live: &'a Generation,
        next: &'a Generation,
        name: &'a str,
    ) -> Result<Self, tokio_postgres::Error> {
        let (in_live, _) = columns(client, live, name).await?;
        let (in_next, key) = columns(client, next, name).await?;
        let gone = in_live.iter().filter(|column| !in_next.contains(column)).map(|column| format!("- {column}"));
        let new = in_next.iter().filter(|column| !in_live.contains(column)).map(|column| format!("+ {column}"));
        let table = TableDiff { name: name.to_owned(), columns: gone.chain(new).collect(), ..TableDiff::default() };
        let columns = in_live.into_iter().filter(|column| in_next.contains(column)).collect();
        Ok(Self { client, live, next, name, columns, key, table })
    }

    async fn run(mut self) -> Result<TableDiff, tokio_postgres::Error> {
        if self.columns.is_empty() || self.key.iter().any(|column| !self.columns.contains(column)) {
            // A table of one of them alone, or one whose rows are other things now: there is nothing to hold side by side.
            return Ok(self.table);
        }
        let until = Instant::now() + PATIENCE;
        let mut is_first = true;
        loop {
            let moving = self.round(is_first).await?;
            if moving == 0 || Instant::now() >= until {
                self.table.unsettled = moving;
                self.client.batch_execute("DROP TABLE pg_temp.moving").await?;
                return Ok(self.table);
            }
            is_first = false;
            tokio::time::sleep(BETWEEN_ROUNDS).await;
        }
    }

    /// Compares everything, or what was moving in the round before; says how many rows were moving now.
    async fn round(&mut self, is_first: bool) -> Result<i64, tokio_postgres::Error> {
        self.client.batch_execute(BEGIN).await?;
        let reached = format!(
            "{REACHED} AND next.generation = {} WHERE live.generation = {}",
            self.next.number, self.live.number
        );
        self.client.batch_execute(&reached).await?;
        if is_first {
            let rows =
                format!("SELECT (SELECT count(*) FROM {}), (SELECT count(*) FROM {})", self.in_live(), self.in_next());
            let rows = self.client.query_one(&rows, &[]).await?;
            (self.table.live_rows, self.table.next_rows) = (rows.try_get(0)?, rows.try_get(1)?);
        }
        self.client.batch_execute(&self.find(is_first)).await?;
        let counts =
            "SELECT count(*) FILTER (WHERE NOT is_moving), count(*) FILTER (WHERE is_moving) FROM pg_temp.found";
        let counts = self.client.query_one(counts, &[]).await?;
        self.table.different += counts.try_get::<_, i64>(0)?;
        let room = TOLD - i64::try_from(self.table.told.len()).unwrap_or(TOLD);
        for row in self.client.query(&self.tell(room), &[]).await? {
            self.table.told.push(difference(&row)?);
        }
        let keep = "DROP TABLE IF EXISTS pg_temp.moving; CREATE TEMPORARY TABLE moving AS SELECT * FROM pg_temp.found WHERE is_moving";
        self.client.batch_execute(keep).await?;
        self.client.batch_execute("COMMIT").await?;
        counts.try_get(1)
    }

    fn in_live(&self) -> String {
        format!("{}.{}", self.live.schema, self.name)
    }

    fn in_next(&self) -> String {
        format!("{}.{}", self.next.schema, self.name)
    }

    /// Both sides of every row that is looked at: `l`, `n`, and the key.
    fn side_by_side(&self, among: Option<&str>) -> String {
        let (columns, key) = (quoted(&self.columns), quoted(&self.key));
        let side = |table: String| format!("(SELECT {columns} FROM {table})");
        let (live, next) = (side(self.in_live()), side(self.in_next()));
        match among {
            None => format!("{live} AS l FULL JOIN {next} AS n USING ({key})"),
            Some(among) => {
                format!(
                    "(SELECT {key} FROM {among}) AS k LEFT JOIN {live} AS l USING ({key}) LEFT JOIN {next} AS n USING ({key})"
                )
            }
        }
    }

    fn find(&self, is_first: bool) -> String {
        let from = self.side_by_side((!is_first).then_some("pg_temp.moving"));
        format!(
            "
-- compare_generations()
CREATE TEMPORARY TABLE found ON COMMIT DROP AS
SELECT {key}, CASE
         WHEN l.position IS NULL THEN live_at > next_at OR n.position > live_at
         WHEN n.position IS NULL THEN next_at > live_at OR l.position > next_at
         ELSE greatest(l.position, n.position) > least(live_at, next_at)
       END AS is_moving
FROM {from}
JOIN pg_temp.reached ON reached.in_pp = COALESCE(l.pp, n.pp)
WHERE l::text IS DISTINCT FROM n::text",
            key = quoted(&self.key)
        )
    }

    fn tell(&self, most: i64) -> String {
        let key = quoted(&self.key);
        let from = self.side_by_side(Some(&format!(
            "(SELECT * FROM pg_temp.found WHERE NOT is_moving ORDER BY {key} LIMIT {most}) AS few"
        )));
        format!("SELECT to_jsonb(l) AS live, to_jsonb(n) AS next FROM {from} ORDER BY {key}")
    }
}

async fn columns(
    client: &Client,
    generation: &Generation,
    table: &str,
) -> Result<(Vec<String>, Vec<String>), tokio_postgres::Error> {
    let (mut columns, mut key) = (Vec::new(), Vec::new());
    for row in client.query(COLUMNS, &[&format!("{}.{table}", generation.schema)]).await? {
        let name: String = row.try_get("name")?;
        if row.try_get("is_key")? {
            key.push(name.clone());
        }
        columns.push(name);
    }
    Ok((columns, key))
}

fn quoted(columns: &[String]) -> String {
    columns.iter().map(|column| format!("\"{column}\"")).collect::<Vec<_>>().join(", ")
}

fn difference(row: &Row) -> Result<Difference, tokio_postgres::Error> {
    let columns = |name| -> Result<Option<Map<String, Value>>, tokio_postgres::Error> {
        Ok(row.try_get::<_, Option<Value>>(name)?.and_then(|row| row.as_object().cloned()))
    };
    let (live, next) = (columns("live")?, columns("next")?);
    let nothing = Map::new();
    let known = next.as_ref().or(live.as_ref()).unwrap_or(&nothing);
    let text = |column: &str| known.get(column).and_then(Value::as_str).map(ToOwned::to_owned);
    let number = |column: &str| known.get(column).and_then(Value::as_i64).unwrap_or_default();
    let what = match (&live, &next) {
        (Some(live), Some(next)) => columns_that_differ(live, next, Change::Becomes),
        (None, _) => "is new".to_owned(),
        (_, None) => "is gone".to_owned(),
    };
    Ok(Difference {
        tenant: text("tenant").unwrap_or_default(),
        guest_id: text("guest_id").or_else(|| text("owner")),
        pp: number("pp"),
        position: number("position"),
        what,
    })
}
