use serde_json::{Value, json};

use super::breaking_changes;

fn document() -> Value {
    let thing = json!({"type": "object", "required": ["id"], "properties": {
        "id": {"type": "string"}, "state": {"type": "string", "enum": ["open", "closed"]}, "next": {"$ref": "#/components/schemas/Thing"},
    }});
    let wish = json!({"type": "object", "required": ["name"], "properties": {
        "name": {"type": "string"}, "kind": {"enum": ["a", "b"]}, "count": {"type": ["integer", "null"], "maximum": 10},
    }});
    json!({
        "paths": {"/things/{id}": {
            "get": {
                "parameters": [{"in": "query", "name": "limit", "schema": {"type": "integer"}}],
                "responses": {
                    "200": {
                        "headers": {"ETag": {}},
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}},
                    },
                    "404": {"content": {"application/problem+json": {"schema": {"properties": {"code": {"enum": ["none"]}}}}}},
                },
            },
            "put": {
                "requestBody": {"content": {"application/json": {"schema": wish}, "text/plain": {}}},
                "responses": {"204": {}},
            },
        }},
        "components": {"schemas": {"Thing": thing}},
    })
}

/// What is found when the member at `pointer` becomes `value`, or goes.
fn found(pointer: &str, value: Option<Value>) -> Vec<String> {
    let (old, mut new) = (document(), document());
    let (parent, member) = pointer.rsplit_once('/').expect("a pointer");
    let member = member.replace("~1", "/");
    match (new.pointer_mut(parent).expect("it is there"), value) {
        (Value::Object(members), Some(value)) => drop(members.insert(member, value)),
        (Value::Object(members), None) => drop(members.remove(&member).expect("it is there")),
        (Value::Array(items), Some(value)) => items.push(value),
        (other, _) => panic!("{other}"),
    }
    breaking_changes(&old, &new)
}

const GET: &str = "/paths/~1things~1{id}/get";
const THING: &str = "/components/schemas/Thing";
const WISH: &str = "/paths/~1things~1{id}/put/requestBody/content/application~1json/schema";

fn breaks(pointer: &str, value: Option<Value>, sentence: &str) {
    let found = found(pointer, value);
    assert!(found.iter().any(|said| said.contains(sentence)), "{pointer}: {found:?}");
}

fn passes(pointer: &str, value: Value) {
    let found = found(pointer, Some(value));
    assert!(found.is_empty(), "{pointer}: {found:?}");
}

#[test]
fn a_document_does_not_break_itself() {
    assert_eq!(breaking_changes(&document(), &document()), Vec::<String>::new());
}

#[test]
fn an_operation_may_come_and_not_go() {
    breaks(GET, None, "GET /things/{id} is gone");
    breaks("/paths/~1things~1{id}", None, "PUT /things/{id} is gone");
    passes("/paths/~1things~1{id}/post", json!({"responses": {}}));
}

#[test]
fn an_answer_its_header_and_its_media_type_may_come_and_not_go() {
    breaks(&format!("{GET}/responses/200"), None, "the answer 200 is gone");
    breaks(&format!("{GET}/responses/200/headers/ETag"), None, "without the header ETag");
    breaks(&format!("{GET}/responses/200/content/application~1json"), None, "no longer application/json");
    passes(&format!("{GET}/responses/304"), json!({}));
    passes(&format!("{GET}/responses/200/headers/Age"), json!({}));
}

#[test]
fn a_member_of_an_answer_may_come_and_not_go() {
    breaks(&format!("{THING}/properties/id"), None, "id is gone");
    breaks(&format!("{THING}/required"), Some(json!([])), "id may be absent");
    passes(&format!("{THING}/properties/more"), json!({"type": "string"}));
}

#[test]
fn a_type_stays_what_it_is() {
    breaks(&format!("{THING}/properties/id/type"), Some(json!("integer")), "id was");
    breaks(&format!("{THING}/properties/id/type"), Some(json!(["string", "null"])), "id was");
    breaks(&format!("{WISH}/properties/count/type"), Some(json!("integer")), "count was");
    passes(&format!("{WISH}/properties/name/type"), json!(["string", "null"]));
}

#[test]
fn a_value_may_not_come_in_answers_nor_go_from_requests() {
    breaks(
        &format!("{THING}/properties/state/enum"),
        Some(json!(["open", "closed", "lost"])),
        "values it did not have",
    );
    breaks(&format!("{WISH}/properties/kind/enum"), Some(json!(["a"])), "no longer takes every value");
    passes(&format!("{THING}/properties/state/enum"), json!(["open"]));
    passes(&format!("{WISH}/properties/kind/enum"), json!(["a", "b", "c"]));
}

#[test]
fn a_further_code_of_a_problem_was_announced() {
    let schema = format!("{GET}/responses/404/content/application~1problem+json/schema");
    passes(&format!("{schema}/properties/code/enum"), json!(["none", "another"]));
    breaks(&format!("{schema}/properties/code"), None, "code is gone");
}

#[test]
fn nothing_more_has_to_be_given() {
    let parameter = |required: bool| json!({"in": "query", "name": "more", "required": required, "schema": {}});
    breaks(&format!("{GET}/parameters/-"), Some(parameter(true)), "the query parameter more has to be given");
    passes(&format!("{GET}/parameters/-"), parameter(false));
    breaks(&format!("{WISH}/required"), Some(json!(["name", "kind"])), "kind has to be given");
    breaks("/paths/~1things~1{id}/put/requestBody/required", Some(json!(true)), "a body has to be given");
    passes(&format!("{WISH}/required"), json!([]));
}

#[test]
fn what_was_taken_is_taken() {
    breaks(&format!("{GET}/parameters"), Some(json!([])), "the query parameter limit is no longer taken");
    breaks(&format!("{WISH}/properties/kind"), None, "kind is gone");
    breaks(&format!("{WISH}/properties/count/maximum"), Some(json!(9)), "another maximum");
    breaks(&format!("{WISH}/properties/name/pattern"), Some(json!("^a")), "another pattern");
    breaks("/paths/~1things~1{id}/put/requestBody/content/text~1plain", None, "no longer text/plain");
    passes(&format!("{WISH}/properties/count/maximum"), json!(11));
}
