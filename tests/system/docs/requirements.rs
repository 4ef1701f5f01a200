//! `docs/requirements.md`: each requirement of the areas it is about has a row, and each test a row names is there.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::Path;

use keepsake_tests::harness::repository;

use super::markdown::Document;

const NAME: &str = "docs/requirements.md";
const NOT_YET: &str = "*not yet*";
/// By their numbers: the guest, interactions, what is published and consumed.
const AREAS: [RangeInclusive<u16>; 12] = [
    123..=132,
    137..=141,
    144..=148,
    155..=158,
    230..=234,
    239..=242,
    251..=253,
    258..=263,
    268..=268,
    270..=270,
    272..=274,
    278..=279,
];
const EVENTS: RangeInclusive<u16> = 288..=309;
/// Where the tests of a crate stand, by what their names begin with; those without are system tests.
const CRATES: [(&str, &str); 2] = [("domain::", "domain/src"), ("projection-workers::", "projection-workers/src")];

#[test]
fn every_requirement_has_a_row_and_no_row_leaves_open_whether_it_is_met() {
    let document = Document::read(NAME);
    let rows: Vec<Vec<&str>> =
        document.rows().filter(|row| row.first().is_some_and(|cell| cell.starts_with('R'))).collect();
    let told: BTreeSet<u16> = rows.iter().flat_map(|row| numbers(row[0])).collect();
    let asked: BTreeSet<u16> = AREAS.into_iter().flatten().chain(EVENTS).collect();
    assert_eq!(told, asked, "left: has a row in {NAME}; right: is asked for");
    for row in rows {
        let shown = row[2];
        let is_settled = shown.contains(NOT_YET) || shown.contains('`');
        assert!(is_settled, "{} names neither a test nor says {NOT_YET}", row[0]);
    }
}

#[test]
fn every_test_that_is_named_exists() {
    let named: Vec<String> = Document::read(NAME).code().into_iter().filter(|code| code.contains("::")).collect();
    let named: Vec<_> =
        named.iter().filter(|name| !name.contains(' ') && !name.contains('…') && !name.contains('<')).collect();
    assert!(named.len() > 20, "{named:?}");
    for name in named {
        let (folder, path) = CRATES
            .iter()
            .find_map(|(prefix, folder)| Some((*folder, name.strip_prefix(prefix)?)))
            .unwrap_or(("tests/system", name));
        let sources = sources(&repository().join(folder));
        let (modules, test) = path.rsplit_once("::").expect("it has one");
        let module = modules.rsplit("::").next().expect("one at least");
        let declares = if test.is_empty() { format!("mod {module}") } else { format!("fn {test}(") };
        assert!(sources.contains(&declares), "{NAME} names {name}, which is not there");
    }
}

/// `R123`, `R137, R138`, `R239 – R242, R258 – R263`.
fn numbers(cell: &str) -> Vec<u16> {
    let number = |text: &str| text.trim().trim_start_matches('R').parse().expect("a number");
    cell.split(',')
        .flat_map(|part| {
            let mut ends = part.split('–').map(number);
            let first: u16 = ends.next().expect("one at least");
            first..=ends.next().unwrap_or(first)
        })
        .collect()
}

fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            text += &sources(&path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text += &std::fs::read_to_string(&path).expect("a source");
        }
    }
    text
}
