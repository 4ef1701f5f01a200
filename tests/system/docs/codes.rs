//! The problem codes that callers can see, as the sources spell them.

use std::collections::BTreeSet;
use std::path::Path;

use keepsake_tests::harness::repository;

/// The crates that answer callers.
const CRATES: [&str; 6] = ["proto", "domain", "runtime", "command-service", "projection-workers", "query-service"];
/// What stands before a code that is passed on.
const BEFORE: [&str; 8] = [
    "bad_request(",
    "unauthorized(",
    "forbidden(",
    "not_found(",
    "unprocessable(",
    "unavailable(",
    "unsupported(",
    "code:",
];

pub(super) fn in_sources() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for name in CRATES {
        collect(&repository().join(name), &mut codes);
    }
    codes
}

fn collect(folder: &Path, codes: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, codes);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            codes.extend(in_file(&std::fs::read_to_string(&path).expect("a source")));
        }
    }
}

/// Every word in quotes that the text before it makes a code.
fn in_file(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let quotes = source.match_indices('"').map(|(at, _)| at);
    let word = |at: usize| Some(source[at + 1..].split_once('"')?.0).filter(|word| is_word(word));
    let found = quotes.filter(|at| makes_a_code(&source[..*at])).filter_map(word);
    found.map(str::to_owned).collect()
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

fn makes_a_code(before: &str) -> bool {
    let line = before.rsplit('\n').next().unwrap_or_default();
    let in_statement = line.trim_start().starts_with("let code =");
    let before = before.trim_end();
    let passed_on = BEFORE.iter().any(|constructor| before.ends_with(constructor));
    in_statement || passed_on || follows_a_status(before) || is_an_arm_of_code(before)
}

/// `StatusCode::CONFLICT, "…"`
fn follows_a_status(before: &str) -> bool {
    let Some(before) = before.strip_suffix(',') else { return false };
    let status = before.trim_end_matches(|c: char| c.is_ascii_uppercase() || c == '_');
    status.len() < before.len() && status.ends_with("StatusCode::")
}

/// `Self::Blocked => "…"` in the body of `fn code`.
fn is_an_arm_of_code(before: &str) -> bool {
    let function = before.rsplit_once("fn ").map(|(_, function)| function);
    before.ends_with("=>") && function.is_some_and(|function| function.starts_with("code("))
}
