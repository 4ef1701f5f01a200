//! Two schemas compared as whoever sends, or reads, what they describe has to.

use std::collections::BTreeSet;

use serde_json::Value;

use super::members;

/// Deeper schemas hold themselves.
const DEEPEST: usize = 24;
/// Of a request, these must not become smaller, or larger.
const UPPER: [&str; 4] = ["maximum", "maxLength", "maxItems", "maxProperties"];
const LOWER: [&str; 4] = ["minimum", "minLength", "minItems", "minProperties"];

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// Callers send it: what was taken must still be.
    Request,
    /// Callers read it: nothing may come that was not announced.
    Response,
    /// They read it, and were told that further values may come.
    Problem,
}

#[derive(Clone, Copy)]
pub(super) struct Schemas<'a> {
    pub(super) old: &'a Value,
    pub(super) new: &'a Value,
    pub(super) direction: Direction,
}

impl<'a> Schemas<'a> {
    pub(super) fn compare(self, what: &str, old: &'a Value, new: &'a Value, found: &mut Vec<String>) {
        self.at(what, old, new, 0, found);
    }

    fn at(self, what: &str, old: &'a Value, new: &'a Value, depth: usize, found: &mut Vec<String>) {
        let (old, new) = (resolved(self.old, old), resolved(self.new, new));
        if depth > DEEPEST {
            return;
        }
        self.types(what, old, new, found);
        self.values(what, old, new, found);
        self.bounds(what, old, new, found);
        self.required(what, old, new, found);
        for (name, property) in members(&old["properties"]) {
            let what = format!("{what}, {name}");
            match new["properties"].get(name) {
                Some(now) => self.at(&what, property, now, depth + 1, found),
                None => found.push(format!("{what} is gone")),
            }
        }
        self.at_items(what, old, new, depth, found);
        for kind in ["allOf", "anyOf", "oneOf"] {
            self.variants(&format!("{what}, {kind}"), &old[kind], &new[kind], depth, found);
        }
    }

    fn at_items(self, what: &str, old: &'a Value, new: &'a Value, depth: usize, found: &mut Vec<String>) {
        for member in ["items", "additionalProperties"] {
            match (&old[member], &new[member]) {
                (old @ Value::Object(_), new @ Value::Object(_)) => {
                    self.at(&format!("{what}, {member}"), old, new, depth + 1, found);
                }
                (Value::Null | Value::Bool(true), Value::Bool(false)) if self.direction == Direction::Request => {
                    found.push(format!("{what} no longer takes further members"));
                }
                _ => {}
            }
        }
    }

    fn types(self, what: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
        let (before, now) = (types(old), types(new));
        let fits = match self.direction {
            Direction::Request => now.is_empty() || !before.is_empty() && before.is_subset(&now),
            Direction::Response | Direction::Problem => before.is_empty() || !now.is_empty() && now.is_subset(&before),
        };
        if !fits {
            found.push(format!("{what} was {before:?} and is {now:?}"));
        }
    }

    fn values(self, what: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
        let (before, now) = (values(old), values(new));
        let (Some(now), Direction::Request) = (&now, self.direction) else {
            if self.direction == Direction::Response && before.is_some() && !is_subset(now.as_ref(), before.as_ref()) {
                found.push(format!("{what} may have values it did not have"));
            }
            return;
        };
        if !is_subset(before.as_ref(), Some(now)) {
            found.push(format!("{what} no longer takes every value it took"));
        }
    }

    fn bounds(self, what: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
        if self.direction != Direction::Request {
            return;
        }
        let tighter = |bound: &str, is_tighter: fn(f64, f64) -> bool| {
            new[bound].as_f64().is_some_and(|now| old[bound].as_f64().is_none_or(|before| is_tighter(now, before)))
        };
        let upper = UPPER.into_iter().filter(|bound| tighter(bound, |now, before| now < before));
        let lower = LOWER.into_iter().filter(|bound| tighter(bound, |now, before| now > before));
        let text = ["pattern", "format"].into_iter().filter(|rule| !new[rule].is_null() && new[rule] != old[rule]);
        for bound in upper.chain(lower).chain(text) {
            found.push(format!("{what} has another {bound}"));
        }
    }

    fn required(self, what: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
        let (before, now) = (names(&old["required"]), names(&new["required"]));
        match self.direction {
            Direction::Request => {
                found.extend(now.difference(&before).map(|name| format!("{what}, {name} has to be given")));
            }
            Direction::Response | Direction::Problem => {
                found.extend(before.difference(&now).map(|name| format!("{what}, {name} may be absent")));
            }
        }
    }

    fn variants(self, what: &str, old: &'a Value, new: &'a Value, depth: usize, found: &mut Vec<String>) {
        let (Some(before), Some(now)) = (old.as_array(), new.as_array()) else {
            if old != new {
                found.push(format!("{what} came or went"));
            }
            return;
        };
        let fewer_or_more = match self.direction {
            Direction::Request => now.len() < before.len(),
            Direction::Response | Direction::Problem => now.len() > before.len(),
        };
        if fewer_or_more {
            found.push(format!("{what} had {} variants and has {}", before.len(), now.len()));
        }
        for (old, new) in before.iter().zip(now) {
            self.at(what, old, new, depth + 1, found);
        }
    }
}

fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let pointer = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| document.pointer(pointer)).unwrap_or(schema)
}

fn types(schema: &Value) -> BTreeSet<&str> {
    let (one, several) = (schema["type"].as_str(), names(&schema["type"]));
    one.into_iter().chain(several).collect()
}

fn values(schema: &Value) -> Option<Vec<&Value>> {
    let of_enum = schema["enum"].as_array().map(|values| values.iter().collect());
    of_enum.or_else(|| schema.get("const").map(|value| vec![value]))
}

/// `None` is every value there is.
fn is_subset(some: Option<&Vec<&Value>>, of: Option<&Vec<&Value>>) -> bool {
    let Some(of) = of else { return true };
    some.is_some_and(|some| some.iter().all(|value| of.contains(value)))
}

fn names(list: &Value) -> BTreeSet<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}
