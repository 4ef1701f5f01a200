//! Rows as both sides bring them: plain values by column, each row under its primary key.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};

/// Every table of the read models and what its primary key consists of.
const TABLES: [(&str, &[&str]); 11] = [
    ("tenant", &["tenant"]),
    ("identity", &["tenant", "guest_id"]),
    ("identity_absorbed", &["tenant", "guest_id", "absorbed_id"]),
    ("identity_identifier", &["tenant", "guest_id", "namespace", "value"]),
    ("identity_conflict", &["tenant", "guest_id", "position", "event_index"]),
    ("profile", &["tenant", "guest_id"]),
    ("interaction", &["tenant", "guest_id", "occurred_at", "interaction_id"]),
    ("topic_guest", &["tenant", "topic_key", "guest_id"]),
    ("topic_summary", &["tenant", "topic_key", "pp"]),
    ("command_log", &["tenant", "owner", "command", "position"]),
    ("timeline", &["tenant", "guest_id", "position", "event_index"]),
];

pub(super) fn key_columns(table: &str) -> &'static [&'static str] {
    let known = TABLES.iter().find(|(name, _)| *name == table);
    known.unwrap_or_else(|| panic!("{table} is none of the tables")).1
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cell {
    Null,
    Number(i64),
    /// JSON as well: two spellings of one value are two texts.
    Text(String),
    Time(DateTime<Utc>),
    Truth(bool),
}

impl From<bool> for Cell {
    fn from(truth: bool) -> Self {
        Self::Truth(truth)
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&String> for Cell {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<DateTime<Utc>> for Cell {
    fn from(time: DateTime<Utc>) -> Self {
        Self::Time(time)
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => write!(f, "'{text}'"),
            Self::Truth(truth) => truth.fmt(f),
            Self::Time(time) => f.write_str(&time.to_rfc3339_opts(SecondsFormat::Micros, true)),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(Vec<Cell>);

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        write!(f, "({})", cells.join(", "))
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row(pub(super) BTreeMap<String, Cell>);

impl Row {
    pub(super) fn key(&self, columns: &[&str]) -> Key {
        Key(columns.iter().map(|column| self.0.get(*column).cloned().unwrap_or(Cell::Null)).collect())
    }

    #[must_use]
    pub(super) fn with(mut self, column: &str, value: impl Into<Cell>) -> Self {
        self.set(column, value);
        self
    }

    pub(super) fn set(&mut self, column: &str, value: impl Into<Cell>) {
        self.0.insert(column.to_owned(), value.into());
    }

    /// Makes the number greater by one.
    pub(super) fn count(&mut self, column: &str) {
        let cell = self.0.get_mut(column);
        let Some(Cell::Number(number)) = cell else { panic!("{column} is no number but {cell:?}") };
        *number += 1;
    }

    /// Keeps the earlier of the times, the first one in any case.
    pub(super) fn earliest(&mut self, column: &str, time: DateTime<Utc>) {
        let cell = self.0.entry(column.to_owned()).or_insert(Cell::Null);
        if *cell == Cell::Null || *cell > Cell::Time(time) {
            *cell = Cell::Time(time);
        }
    }

    /// Keeps the later of the times, the first one in any case.
    pub(super) fn latest(&mut self, column: &str, time: DateTime<Utc>) {
        let cell = self.0.entry(column.to_owned()).or_insert(Cell::Null);
        if *cell == Cell::Null || *cell < Cell::Time(time) {
            *cell = Cell::Time(time);
        }
    }
}

pub(super) type Table = BTreeMap<Key, Row>;

pub(super) struct Tables(pub(super) BTreeMap<&'static str, Table>);

impl Default for Tables {
    fn default() -> Self {
        Self(TABLES.iter().map(|(name, _)| (*name, Table::new())).collect())
    }
}

impl Tables {
    /// Adds a row that must be the first of its key.
    pub(super) fn insert(&mut self, name: &'static str, row: Row) {
        let key = row.key(key_columns(name));
        let former = self.0.entry(name).or_default().insert(key, row);
        assert!(former.is_none(), "{name} has this row already: {former:?}");
    }

    /// Takes a row away that has to be there.
    pub(super) fn remove(&mut self, name: &'static str, row: &Row) {
        let key = row.key(key_columns(name));
        let former = self.0.entry(name).or_default().remove(&key);
        assert!(former.is_some(), "{name} has no row {key}");
    }

    /// The row that has the key of this one, which is added when there is none; true when it was.
    pub(super) fn find_or_insert(&mut self, name: &'static str, row: Row) -> (&mut Row, bool) {
        let (table, key) = (self.0.entry(name).or_default(), row.key(key_columns(name)));
        let is_new = !table.contains_key(&key);
        (table.entry(key).or_insert(row), is_new)
    }
}
