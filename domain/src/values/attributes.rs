//! What a caller knows about a guest: the text of one JSON object whose members change one by one, digit for digit as they were given.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use rust_decimal::Decimal;
use serde_json::value::RawValue;

use super::{Invalid, json};

/// A JSON object whose members are not read further than they have to be.
type Members = IndexMap<String, Box<RawValue>>;

const NULL: &str = "null";
/// Of numbers that are added.
const MAX_DIGITS: usize = 28;
const LONGEST_WORD: usize = 64;
const OTHER: &str = "other";

/// Attributes as they are, or as they will be.
#[derive(Clone)]
pub(crate) struct Attributes(Members);

impl Attributes {
    /// Of the text of one JSON object, empty when there are none.
    pub(crate) fn parse(field: &'static str, text: &str) -> Result<Self, Invalid> {
        given(field, text).map(Self)
    }

    /// Of a text that an event holds: what a decision let in is an object, and what is none has no members.
    pub(crate) fn stored(text: &str) -> Self {
        Self(members(text).unwrap_or_default())
    }

    /// The text for a state, which has no limit of its own.
    pub(crate) fn stored_text(&self) -> String {
        if self.0.is_empty() { String::new() } else { text(&self.0) }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Takes in what another one has: members it lacks itself, and those preferred.
    pub(crate) fn take_in(&mut self, other: &Self, preferred: &[String]) {
        for (name, value) in &other.0 {
            if preferred.contains(name) || !self.0.contains_key(name) {
                self.0.insert(name.clone(), value.clone());
            }
        }
    }

    /// Makes a member as it is in another one, where it may not be.
    pub(crate) fn put(&mut self, name: &str, other: &Self) {
        match other.0.get(name) {
            Some(value) => drop(self.0.insert(name.to_owned(), value.clone())),
            None => self.unset(name),
        }
    }

    /// Merges a patch in (RFC 7396): a member replaces the one of its name, `null` takes it away, objects are merged.
    pub(crate) fn merge(&mut self, field: &'static str, patch: &str) -> Result<(), Invalid> {
        merge(&mut self.0, given(field, patch)?);
        Ok(())
    }

    /// Takes a member away; one that is not there is not missed.
    pub(crate) fn unset(&mut self, name: &str) {
        self.0.shift_remove(name);
    }

    /// Adds to members that are numbers; one that is not there counts as 0.
    pub(crate) fn increment(&mut self, field: &'static str, by: &str) -> Result<(), Invalid> {
        for (name, by) in given(field, by)? {
            let by = number(by.get()).ok_or_else(|| no_number(field))?;
            let known = self.0.get(&name).map_or("0", |known| known.get());
            let known = number(known).ok_or_else(|| adds_to_no_number(field))?;
            let sum = sum(known, by).ok_or_else(|| too_many_digits(field))?;
            self.0.insert(name, raw(sum));
        }
        Ok(())
    }

    /// The text, which is empty when there are none.
    pub(crate) fn text(&self, field: &'static str) -> Result<String, Invalid> {
        json::object(field, &text(&self.0))
    }

    /// The names of the members that are not the same in `after`, in order. Whoever may not know what is known of a guest is told them:
    /// one that is no plain word might be about a person, and is told as `other`.
    pub(crate) fn changed(&self, after: &Self) -> Vec<String> {
        let names: BTreeSet<String> = self.differing(after).iter().map(|name| told(name).to_owned()).collect();
        names.into_iter().collect()
    }

    /// The names of the members that are not the same in `after`, as they are.
    pub(crate) fn differing(&self, after: &Self) -> BTreeSet<String> {
        let value = |members: &Members, name: &str| members.get(name).map(|value| value.get().to_owned());
        let differs = |name: &&String| value(&self.0, name) != value(&after.0, name);
        self.0.keys().chain(after.0.keys()).filter(differs).cloned().collect()
    }
}

fn told(name: &str) -> &str {
    let is_word = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let begins_well = name.starts_with(|first: char| first.is_ascii_alphabetic());
    if begins_well && name.len() <= LONGEST_WORD && is_word(name) { name } else { OTHER }
}

/// Exact, with the more digits after the point of the two, or none.
fn sum(one: Decimal, other: Decimal) -> Option<String> {
    let digits = one.scale().max(other.scale());
    let mut sum = one.checked_add(other)?;
    // To add 0 leaves the digits of the other number as they are.
    if one.is_zero() || other.is_zero() {
        sum.rescale(digits);
    }
    let text = sum.to_string();
    (sum.scale() == digits && number(&text).is_some()).then_some(text)
}

fn given(field: &'static str, text: &str) -> Result<Members, Invalid> {
    let text = json::object(field, text)?;
    let no_object = || Invalid { field, code: "validation_failed", detail: "must be a JSON object".to_owned() };
    members(&text).ok_or_else(no_object)
}

fn members(text: &str) -> Option<Members> {
    if text.is_empty() { Some(Members::new()) } else { serde_json::from_str(text).ok() }
}

/// `null` means nothing inside of objects that come anew, either.
fn merge(target: &mut Members, patch: Members) {
    for (name, value) in patch {
        if value.get() == NULL {
            target.shift_remove(&name);
        } else if let Some(patch) = nested(&value) {
            let mut merged = target.get(&name).and_then(|known| nested(known)).unwrap_or_default();
            merge(&mut merged, patch);
            target.insert(name, raw(text(&merged)));
        } else {
            target.insert(name, value);
        }
    }
}

fn nested(value: &RawValue) -> Option<Members> {
    if value.get().starts_with('{') { members(value.get()) } else { None }
}

fn text(members: &Members) -> String {
    serde_json::to_string(members).expect("texts of JSON are written as they are")
}

fn raw(text: String) -> Box<RawValue> {
    RawValue::from_string(text).expect("it was made of JSON")
}

/// A number of JSON as a decimal, or none when it has more digits than a decimal keeps.
fn number(text: &str) -> Option<Decimal> {
    let mantissa = text.split(['e', 'E']).next()?;
    if mantissa.bytes().filter(u8::is_ascii_digit).count() > MAX_DIGITS {
        return None;
    }
    Decimal::from_str_exact(text).or_else(|_| Decimal::from_scientific(text)).ok()
}

fn no_number(field: &'static str) -> Invalid {
    let detail = "its members must be numbers of at most 28 digits".to_owned();
    Invalid { field, code: "validation_failed", detail }
}

fn adds_to_no_number(field: &'static str) -> Invalid {
    let detail = "only a number of at most 28 digits can be added to, and the attribute is none".to_owned();
    Invalid { field, code: "not_a_number", detail }
}

fn too_many_digits(field: &'static str) -> Invalid {
    Invalid { field, code: "number_out_of_range", detail: "the sum has more digits than can be kept".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Attributes {
        Attributes::parse("attributes", text).expect("an object")
    }

    fn changed(before: &str, after: &str) -> Vec<String> {
        parsed(before).changed(&parsed(after))
    }

    fn merged(known: &str, patch: &str) -> String {
        let mut attributes = parsed(known);
        attributes.merge("set", patch).expect("a patch");
        attributes.text("set").expect("short")
    }

    fn added(known: &str, by: &str) -> Result<String, &'static str> {
        let mut attributes = parsed(known);
        attributes.increment("increment", by).map_err(|invalid| invalid.code)?;
        Ok(attributes.text("increment").expect("short"))
    }

    #[test]
    fn patches_merge_as_rfc_7396_has_it() {
        let rows = [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, ""),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"{"e":1.50}"#, r#"{"a":1}"#, r#"{"e":1.50,"a":1}"#),
            ("", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ];
        for (known, patch, expected) in rows {
            assert_eq!(merged(known, patch), expected, "{known} + {patch}");
        }
    }

    #[test]
    fn numbers_are_added_exactly_and_to_nothing_else() {
        assert_eq!(
            added(r#"{"spent":29.90}"#, r#"{"spent":0.10,"visits":1}"#),
            Ok(r#"{"spent":30.00,"visits":1}"#.into())
        );
        assert_eq!(added(r#"{"n":1e3}"#, r#"{"n":-1}"#), Ok(r#"{"n":999}"#.into()));
        assert_eq!(added(r#"{"n":"1"}"#, r#"{"n":1}"#), Err("not_a_number"));
        assert_eq!(added("", r#"{"n":true}"#), Err("validation_failed"));
        assert_eq!(added(r#"{"n":0.10}"#, r#"{"n":-0.10}"#), Ok(r#"{"n":0.00}"#.into()));
        let most = "9".repeat(28);
        let sum = added(&format!(r#"{{"n":{most}}}"#), &format!(r#"{{"n":{most}}}"#));
        assert_eq!(sum, Err("number_out_of_range"), "nobody could add to it again");
        assert_eq!(added(r#"{"n":0.00}"#, r#"{"n":5}"#), Ok(r#"{"n":5.00}"#.into()));
        assert_eq!(added(r#"{"n":5}"#, r#"{"n":0.00}"#), Ok(r#"{"n":5.00}"#.into()));
        assert_eq!(added(r#"{"n":0.00}"#, r#"{"n":0}"#), Ok(r#"{"n":0.00}"#.into()));
        assert_eq!(
            added(r#"{"n":10000000000000000000}"#, r#"{"n":1e-20}"#),
            Err("number_out_of_range"),
            "it is not rounded"
        );
        assert_eq!(added(&format!(r#"{{"n":{most}9}}"#), r#"{"n":1}"#), Err("not_a_number"));
        assert_eq!(added("", &format!(r#"{{"n":0.{most}}}"#)), Err("validation_failed"));
    }

    #[test]
    fn what_cannot_be_read_is_refused_and_not_taken_for_nothing() {
        assert!(Attributes::parse("attributes", "{nothing}").is_err());
    }

    #[test]
    fn what_changed_is_named() {
        assert_eq!(changed(r#"{"a":1,"b":2,"c":3}"#, r#"{"b":2.0,"c":3,"d":4}"#), ["a", "b", "d"]);
        assert!(changed("", "").is_empty());
        assert_eq!(changed("", r#"{"ada@example.com":1,"firstName":2,"0":3,"a b":4}"#), ["firstName", "other"]);
    }
}
