//! What a change of the OpenAPI document takes from callers who rely on the document as it was.

mod schema;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value;

use schema::{Direction, Schemas};

const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

/// Every way in which `new` breaks a caller of `old`, as a sentence; none when it only adds.
pub(super) fn breaking_changes(old: &Value, new: &Value) -> Vec<String> {
    let documents = Documents { old, new };
    let mut found = Vec::new();
    for (name, operation) in operations(old) {
        match operations(new).remove(&name) {
            None => found.push(format!("{name} is gone")),
            Some(now) => documents.operation(&name, operation, now, &mut found),
        }
    }
    found
}

/// By method and path.
fn operations(document: &Value) -> BTreeMap<String, &Value> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let operations = paths.flat_map(|(path, item)| {
        METHODS
            .into_iter()
            .filter_map(move |method| Some((format!("{} {path}", method.to_uppercase()), item.get(method)?)))
    });
    operations.collect()
}

#[derive(Clone, Copy)]
struct Documents<'a> {
    old: &'a Value,
    new: &'a Value,
}

impl<'a> Documents<'a> {
    fn operation(self, name: &str, old: &'a Value, new: &'a Value, found: &mut Vec<String>) {
        self.parameters(name, old, new, found);
        self.request(name, &old["requestBody"], &new["requestBody"], found);
        for (status, answer) in members(&old["responses"]) {
            let what = format!("{name}: the answer {status}");
            match new["responses"].get(status) {
                None => found.push(format!("{what} is gone")),
                Some(now) => self.response(&what, answer, now, found),
            }
        }
    }

    fn parameters(self, name: &str, old: &'a Value, new: &'a Value, found: &mut Vec<String>) {
        let (old, new) = (parameters(old), parameters(new));
        for (parameter, described) in &old {
            let Some(now) = new.get(parameter) else {
                found.push(format!("{name}: {parameter} is no longer taken"));
                continue;
            };
            let what = format!("{name}: {parameter}");
            self.schemas(Direction::Request).compare(&what, &described["schema"], &now["schema"], found);
        }
        let required = |parameter: &Value| parameter["required"] == true;
        for (parameter, _) in new.iter().filter(|(_, now)| required(now)) {
            if !old.get(parameter).is_some_and(|before| required(before)) {
                found.push(format!("{name}: {parameter} has to be given"));
            }
        }
    }

    fn request(self, name: &str, old: &'a Value, new: &'a Value, found: &mut Vec<String>) {
        if new["required"] == true && old["required"] != true {
            found.push(format!("{name}: a body has to be given"));
        }
        self.contents(&format!("{name}: the body"), Direction::Request, old, new, found);
    }

    fn response(self, what: &str, old: &'a Value, new: &'a Value, found: &mut Vec<String>) {
        for (header, _) in members(&old["headers"]).filter(|(header, _)| new["headers"].get(header).is_none()) {
            found.push(format!("{what} comes without the header {header}"));
        }
        self.contents(what, Direction::Response, old, new, found);
    }

    fn contents(self, what: &str, direction: Direction, old: &'a Value, new: &'a Value, found: &mut Vec<String>) {
        for (media_type, content) in members(&old["content"]) {
            let Some(now) = new["content"].get(media_type) else {
                found.push(format!("{what} is no longer {media_type}"));
                continue;
            };
            // The document says of itself that further codes of problems may come.
            let direction = if media_type == "application/problem+json" { Direction::Problem } else { direction };
            self.schemas(direction).compare(what, &content["schema"], &now["schema"], found);
        }
    }

    fn schemas(self, direction: Direction) -> Schemas<'a> {
        Schemas { old: self.old, new: self.new, direction }
    }
}

/// By place and name.
fn parameters(operation: &Value) -> BTreeMap<String, &Value> {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let name = |parameter: &Value| {
        let [place, name] = ["in", "name"].map(|member| parameter[member].as_str().unwrap_or_default());
        format!("the {place} parameter {name}")
    };
    parameters.map(|parameter| (name(parameter), parameter)).collect()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}
