//! Comparing a table with its shadow, row by row and column by column.

use deadpool_postgres::ClientWrapper;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use tokio_postgres::Row;

use super::refold::Whose;
use super::tables::Table;
use crate::error::Fault;
use crate::finding::{Finding, NOBODY};

/// Differences told of one table at a time; a table that is wrong all over need not be listed.
pub(super) const MOST: usize = 1_000;

/// What differs in one table. As text, since columns of type json know no equality, and must be the same digit for digit.
pub(super) async fn table(
    connection: &ClientWrapper,
    table: &Table,
    whose: &Whose,
    secret: &[u8],
) -> Result<Vec<Finding>, Fault> {
    let Table { live, name, key, .. } = table;
    let key = key.iter().map(|column| format!("\"{column}\"")).collect::<Vec<_>>().join(", ");
    let query = |condition: &str| {
        format!(
            "
-- compare_{name}()
SELECT to_jsonb(live) AS live, to_jsonb(again) AS again
FROM (SELECT * FROM {live} AS t WHERE {condition}) AS live FULL JOIN pg_temp.\"{name}\" AS again USING ({key})
WHERE live::text IS DISTINCT FROM again::text
LIMIT {MOST}"
        )
    };
    let rows = match (whose, &table.owner) {
        (Whose::Partitions(partitions), _) => connection.query(&query("t.pp = ANY ($1)"), &[partitions]).await?,
        (Whose::Owners(owners), Some(column)) => {
            let tenants: Vec<&str> = owners.iter().map(|owner| owner.tenant.as_str()).collect();
            let ids: Vec<&str> = owners.iter().map(|owner| owner.owner.as_str()).collect();
            let condition = format!("(t.tenant, t.\"{column}\") IN (SELECT * FROM UNNEST($1::text[], $2::text[]))");
            connection.query(&query(&condition), &[&tenants, &ids]).await?
        }
        // A row about many is not made of the commits of a few.
        (Whose::Owners(_), None) => Vec::new(),
    };
    rows.iter().map(|row| finding(table, row, secret)).collect()
}

fn finding(table: &Table, row: &Row, secret: &[u8]) -> Result<Finding, Fault> {
    let (live, again): (Option<Value>, Option<Value>) = (row.try_get("live")?, row.try_get("again")?);
    let columns = |row: Option<Value>| row.and_then(|row| row.as_object().cloned());
    let (live, again) = (columns(live), columns(again));
    let nothing = Map::new();
    let known = again.as_ref().or(live.as_ref()).unwrap_or(&nothing);
    let text = |column: &str| known.get(column).and_then(Value::as_str).map(ToOwned::to_owned);
    Ok(Finding {
        projection: table.projection.clone(),
        relation: table.relation(),
        tenant: text("tenant").unwrap_or_else(|| NOBODY.to_owned()),
        guest_id: table.owner.as_deref().and_then(text),
        pp: known.get("pp").and_then(Value::as_i64).and_then(|pp| pp.try_into().ok()).unwrap_or_default(),
        position: known.get("position").and_then(Value::as_i64).unwrap_or_default(),
        difference: difference(live.as_ref(), again.as_ref()),
        row_key: row_key(&table.key, known, secret),
    })
}

fn difference(live: Option<&Map<String, Value>>, again: Option<&Map<String, Value>>) -> String {
    match (live, again) {
        (Some(live), Some(again)) => columns_that_differ(live, again, Change::ShouldBe),
        (None, _) => "missing".to_owned(),
        (_, None) => "should not be there".to_owned(),
    }
}

/// What the second of two rows is to the first.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    ShouldBe,
    Becomes,
}

/// Numbers are told as they are in both, and of other columns, which may be personal, only that they differ.
pub(crate) fn columns_that_differ(one: &Map<String, Value>, other: &Map<String, Value>, change: Change) -> String {
    let change = match change {
        Change::ShouldBe => "should be",
        Change::Becomes => "becomes",
    };
    let of_column = |(column, then): (&String, &Value)| {
        let is = one.get(column).unwrap_or(&Value::Null);
        let told = |value: &Value| value.is_number() || value.is_null();
        match (is == then, told(is) && told(then)) {
            (true, _) => None,
            (false, true) => Some(format!("{column} is {is}, {change} {then}")),
            (false, false) => Some(format!("{column} differs")),
        }
    };
    let columns: Vec<_> = other.iter().filter_map(of_column).collect();
    if columns.is_empty() { "a JSON text is written differently".to_owned() } else { columns.join("; ") }
}

/// Under a secret: nobody may try out whose e-mail address it is.
fn row_key(key: &[String], row: &Map<String, Value>, secret: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(secret);
    for column in key {
        hash.update(row.get(column).map(ToString::to_string).unwrap_or_default());
        hash.update([0]);
    }
    let digest = hash.finalize();
    format!("{:032x}", u128::from_be_bytes(digest[..16].try_into().expect("a SHA-256 has 32 bytes")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(live: &Value, again: &Value) -> String {
        difference(live.as_object(), again.as_object())
    }

    #[test]
    fn numbers_are_told_and_what_may_be_personal_is_not() {
        let live = json!({"interaction_count": 2, "attributes": {"name": "Ada"}, "version": 1, "registered_at": null});
        let again =
            json!({"interaction_count": 3, "attributes": {"name": "Eva"}, "version": 1, "registered_at": "2026-01-01"});
        let told = told(&live, &again);
        assert_eq!(told, "attributes differs; interaction_count is 2, should be 3; registered_at differs");
    }

    #[test]
    fn a_row_too_few_and_a_row_too_many_are_said_to_be_that() {
        assert_eq!(told(&Value::Null, &json!({"pp": 1})), "missing");
        assert_eq!(told(&json!({"pp": 1}), &Value::Null), "should not be there");
    }

    #[test]
    fn two_rows_with_different_keys_are_never_the_same_finding() {
        let key = ["a".to_owned(), "b".to_owned()];
        let of = |row: Value| row_key(&key, row.as_object().expect("an object"), b"secret");
        assert_ne!(of(json!({"a": "x", "b": "yz"})), of(json!({"a": "xy", "b": "z"})));
        assert_eq!(of(json!({"a": 1, "b": 2, "c": 3})), of(json!({"a": 1, "b": 2, "c": 4})));
    }
}
