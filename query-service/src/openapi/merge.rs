//! One document of two: the paths of both, as callers of the one origin see them.

use runtime::openapi::{operations, refuse};
use serde_json::{Map, Value};

/// What passing a request on adds to what the command service says of itself.
const PASSED_ON: [(u16, &str); 2] = [(503, "command_service_unavailable"), (504, "outcome_unknown")];

/// This service's document with the operations of the command service. What both describe is told in this service's words.
pub(super) fn merge(own: &Value, mut commands: Value) -> Value {
    for operation in operations(&mut commands) {
        for (status, code) in PASSED_ON {
            refuse(operation, status, code);
        }
    }
    let mut merged = own.clone();
    for (path, theirs) in members(commands["paths"].take()) {
        add(&mut merged["paths"][path], theirs);
    }
    for (kind, theirs) in members(commands["components"].take()) {
        add(&mut merged["components"][kind], theirs);
    }
    merged
}

/// Adds the members that are not there yet.
fn add(known: &mut Value, more: Value) {
    if known.is_null() {
        *known = Value::Object(Map::new());
    }
    let Some(known) = known.as_object_mut() else { return };
    for (name, value) in members(more) {
        known.entry(name).or_insert(value);
    }
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_methods_of_a_path_are_there_and_what_both_know_is_said_once() {
        let own = json!({
            "info": {"title": "Origin"},
            "paths": {"/a": {"get": {"operationId": "own"}}},
            "components": {"schemas": {"Problem": {"title": "own"}}},
        });
        let commands = json!({
            "info": {"title": "Commands"},
            "paths": {"/a": {"get": {"operationId": "theirs"}, "post": {"operationId": "write"}}, "/b": {"post": {}}},
            "components": {"schemas": {"Problem": {"title": "theirs"}, "Reply": {}}},
        });
        let merged = merge(&own, commands);
        assert_eq!(merged["info"]["title"], "Origin");
        assert_eq!(merged["paths"]["/a"]["get"]["operationId"], "own");
        assert_eq!(merged["paths"]["/a"]["post"]["operationId"], "write");
        assert_eq!(merged["components"]["schemas"]["Problem"]["title"], "own");
        assert!(merged["components"]["schemas"]["Reply"].is_object());
        assert!(merged["paths"]["/b"]["post"]["responses"]["504"].is_object(), "{merged}");
    }
}
