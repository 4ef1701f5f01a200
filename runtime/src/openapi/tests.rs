use axum::Router;
use serde_json::{Value, json};
use utoipa::openapi::OpenApiBuilder;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{About, Header, Responses, document, refusals, require, succeeds_with};
use crate::auth::Scope;

const ABOUT: About = About { title: "T", description: "D", version: "1", tags: &[("things", "What there is.")] };
const TAG: Header = Header { name: "ETag", about: "Names this state of it.", example: "\"1\"" };

struct Answers;

impl utoipa::IntoResponses for Answers {
    fn responses() -> Responses {
        let mut responses = succeeds_with(&[TAG]);
        responses.extend(refusals(&[&[(404, "thing_not_found")], &[(404, "another"), (503, "overloaded")]]));
        responses
    }
}

#[utoipa::path(get, path = "/things/{thing}", params(("thing" = String, Path)), responses((status = 200), Answers))]
async fn thing() {}

fn operation() -> Value {
    let (schemas, mut paths, methods) = routes!(thing);
    require(&mut paths, Some(Scope::ProfileRead));
    let router = OpenApiRouter::with_openapi(OpenApiBuilder::new().build()).routes((schemas, paths, methods));
    let (_, api): (Router, _) = router.split_for_parts();
    document(&ABOUT, &api)["paths"]["/things/{thing}"]["get"].clone()
}

#[test]
fn the_codes_of_one_status_stand_together() {
    let not_found = &operation()["responses"]["404"];
    let schema = &not_found["content"]["application/problem+json"]["schema"];
    assert_eq!(schema["properties"]["code"]["enum"], json!(["another", "thing_not_found"]));
    assert_eq!(
        not_found["description"],
        "Not Found: [`another`](/problems/another), [`thing_not_found`](/problems/thing_not_found)"
    );
}

#[test]
fn every_success_comes_with_the_headers_of_its_operation() {
    let operation = operation();
    assert_eq!(operation["responses"]["200"]["headers"]["ETag"]["example"], "\"1\"");
    assert!(operation["responses"]["200"]["headers"]["RateLimit"].is_object());
    assert!(operation["responses"]["2XX"].is_null());
}

#[test]
fn an_operation_behind_a_gate_says_what_the_gate_asks_for() {
    let operation = operation();
    assert_eq!(operation["security"], json!([{"bearer": ["profile:read"]}]));
    assert_eq!(operation["parameters"][0]["name"], "X-Tenant-ID");
    assert_eq!(operation["description"], "Takes the scope `profile:read`.");
    for (status, code) in [("401", "token_missing"), ("403", "scope_missing"), ("414", "uri_too_long")] {
        let schema = &operation["responses"][status]["content"]["application/problem+json"]["schema"];
        assert!(schema["properties"]["code"]["enum"].as_array().is_some_and(|codes| codes.contains(&json!(code))));
    }
}
