//! Identifiers: any UTF-8 may be one, so most of what looks odd is only somebody unknown; none of it ever reaches a subject.

use super::catalogue::{Row, Scene};

/// As they stand in a path, and what they are.
const UNKNOWN: [&str; 13] = [
    "..",
    "%2e%2e",
    "a.b",
    "*",
    "%3E",
    "a%20b",
    "%0d%0aX:%20y",
    "es.00.demo.tenant",
    "%F0%9F%91%BB",
    "%27%20OR%201%3D1--",
    "6BA7B810-9DAD-11D1-80B4-00C04FD430C8",
    "%25%25%25%25",
    "prf_00000000000000000000000000000000",
];
const INVALID: [&str; 10] =
    ["%00", "a%00b", "a%0d%0aX:%20y", "a%07b", "a%E2%80%AEb", "a%E2%80%8Bb", "%EF%BB%BFa", "%FF", "%20", "prf_1"];
const BLOCKED: [&str; 4] = ["null", "undefined", "0", "00000000-0000-0000-0000-000000000000"];

fn rows(ids: &[&str], status: u16, code: &'static str) -> Vec<Row> {
    let of = |id: &&str| {
        [
            Row::get(&format!("/users/{id}")).is(format!("the profile of {id}"), status, code),
            Row::get(&format!("/api/v1/guests/{id}/timeline")).is(format!("the timeline of {id}"), status, code),
            Row::post(&format!("/api/v1/guests/{id}/interactions"), r#"{"kind":"a"}"#).is(
                format!("an interaction of {id}"),
                status,
                code,
            ),
        ]
    };
    ids.iter().flat_map(of).collect()
}

fn in_bodies() -> Vec<Row> {
    let register = |identifier: &str, code| {
        let body = format!(r#"{{"user_id":"{identifier}"}}"#);
        Row::post("/users", body).is(format!("registering {identifier}"), 422, code)
    };
    let invalid = [r"a\u0007b", r"a\nb", r"a\u202eb", r"a\u200bb", r"\ufeffa", "prf_abc", &"x".repeat(256)]
        .map(|identifier| register(identifier, "invalid_identifier"));
    let mut rows = vec![register(r"a\u0000b", "invalid_character"), register("undefined", "blocked_identifier")];
    rows.extend(invalid);
    for namespace in ["A", "a-b", "a.b", &"n".repeat(65)] {
        let body = format!(r#"{{"user_id":"x","namespace":"{namespace}"}}"#);
        rows.push(Row::post("/users", body).is(format!("the namespace {namespace}"), 422, "invalid_identifier"));
    }
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_identifier_names_a_guest_or_nobody_and_never_anything_else() {
    let scene = Scene::start().await;
    let long = "x".repeat(256);
    scene.refuses(&rows(&UNKNOWN, 404, "guest_not_found")).await;
    scene.refuses(&rows(&INVALID, 422, "invalid_identifier")).await;
    scene.refuses(&rows(&[&long], 422, "invalid_identifier")).await;
    scene.refuses(&rows(&BLOCKED, 422, "blocked_identifier")).await;
    scene.refuses(&in_bodies()).await;
    scene.services.stop().await;
}
