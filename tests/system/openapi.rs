//! The OpenAPI document of the one origin: it says what is served, and is changed only so that nobody's program breaks.

mod breaking;
mod pages;

use axum::http::{Method, StatusCode};
use keepsake_tests::harness::{Client, InProcess, World, repository};
use runtime::http_client::Answer;
use serde_json::Value;

use crate::access::routes::routes;
use breaking::breaking_changes;

const DOCUMENT: &str = "docs/openapi.json";
const BASELINE: &str = "docs/openapi.baseline.json";
/// These have tests of their own, in `api_keys.rs` and `limits.rs`.
const ELSEWHERE: [(&str, &str); 5] = [
    ("post", "/api/v1/api-keys"),
    ("delete", "/api/v1/api-keys/{key_id}"),
    ("get", "/api/v1/quotas"),
    ("get", "/api/v1/guests/me/profile"),
    ("post", "/api/v1/guests/{guest_id}/unmerge"),
];

async fn get(client: &Client, path: &str, headers: &[(&str, &str)]) -> Answer {
    client.http(Method::GET, path, headers, "").await
}

fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).expect("JSON")
}

fn committed(name: &str) -> Value {
    let text = std::fs::read_to_string(repository().join(name)).expect("the document");
    serde_json::from_str(&text).expect("JSON")
}

/// Method, path and description of every operation.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let operations = |(path, item): (&String, &'_ Value)| -> Vec<_> {
        let item = item.as_object().expect("operations");
        item.iter().map(|(method, _)| (method.clone(), path.clone())).collect()
    };
    let named: Vec<(String, String)> = paths.iter().flat_map(operations).collect();
    named
        .into_iter()
        .map(|(method, path)| {
            let operation = &document["paths"][&path][&method];
            (method, path, operation)
        })
        .collect()
}

/// So that a change of what callers see is seen in review.
#[tokio::test]
async fn the_merged_document_is_the_one_in_the_docs() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    let answer = get(&client, "/openapi.json", &[("Authorization", "")]).await;
    assert_eq!(answer.status, StatusCode::OK, "nobody needs a token for it");
    let document = serde_json::to_string_pretty(&json(&answer)).expect("JSON") + "\n";
    let file = repository().join(DOCUMENT);
    if std::env::var_os("KEEPSAKE_BLESS").is_some() {
        std::fs::write(&file, &document).expect("writes");
    }
    let written = std::fs::read_to_string(&file).expect("the document");
    assert!(written == document, "{DOCUMENT} is another: `make samples` writes it anew");

    let etag = answer.headers["etag"].to_str().expect("ASCII");
    let again = get(&client, "/openapi.json", &[("If-None-Match", etag)]).await;
    assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
    services.stop().await;
}

#[tokio::test]
async fn without_the_command_service_the_last_document_is_told_and_none_before() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    let document = json(&get(&client, "/openapi.json", &[]).await);
    let InProcess { command, projections, query } = services;
    let address = command.url();
    command.stop().await.expect("stops");
    assert_eq!(json(&get(&client, "/openapi.json", &[]).await), document);

    let fresh = keepsake_tests::harness::services::query_with(&world, &[("KEEPSAKE_COMMAND_URL", address)]).await;
    let stranger = Client::new(&world, &fresh.url(), "demo").await;
    let answer = get(&stranger, "/openapi.json", &[]).await;
    assert_eq!(
        (answer.status, &json(&answer)["code"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"command_service_unavailable".into())
    );
    for running in [fresh, query, projections] {
        running.stop().await.expect("stops");
    }
}

#[tokio::test]
async fn every_documented_operation_is_served_with_and_without_the_version() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    let document = json(&get(&client, "/openapi.json", &[]).await);
    for (method, path, _) in operations(&document) {
        let versioned = path.replace("{tenant}", "demo").replace("{name}", "reply.json").replace("{code}", "internal");
        let versioned = versioned.replace(['{', '}'], "");
        for path in [versioned.strip_prefix("/api/v1").unwrap_or(&versioned), &versioned] {
            let method: Method = method.to_uppercase().parse().expect("a method");
            let headers = [("X-Tenant-ID", "demo"), ("Content-Type", "application/json")];
            let answer = client.http(method.clone(), path, &headers, "{}").await;
            assert_ne!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            let is_unknown = answer.status == StatusCode::NOT_FOUND && json(&answer)["code"] == "route_not_found";
            assert!(!is_unknown, "{method} {path}");
        }
    }
    services.stop().await;
}

fn is_of(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    let fits = |(template, segment): (&&str, &&str)| template == segment || template.starts_with('{');
    template.len() == path.len() && template.iter().zip(&path).all(fits)
}

#[test]
fn every_guarded_route_is_documented_with_its_scope_and_every_documented_one_is_tried() {
    let document = committed(DOCUMENT);
    let documented: Vec<_> =
        operations(&document).into_iter().filter(|(_, _, operation)| !operation["security"].is_null()).collect();
    let routes = routes();
    for route in routes.iter().filter(|route| route.path.starts_with("/api/v1/")) {
        let is_it = |(method, template, _): &&(String, String, &Value)| {
            route.method.as_str().eq_ignore_ascii_case(method) && is_of(template, route.path)
        };
        let found = documented.iter().find(is_it);
        let (_, _, operation) = found.unwrap_or_else(|| panic!("{} {} is not documented", route.method, route.path));
        assert_eq!(operation["security"][0]["bearer"][0], route.scope.name(), "{}", route.path);
        let bare = route.path.strip_prefix("/api/v1").expect("it starts with it");
        let has_twin = routes.iter().any(|other| other.path == bare && other.method == route.method);
        assert!(has_twin, "{} is tried without its version, too", route.path);
    }
    for (method, template, _) in &documented {
        let is_tried = routes
            .iter()
            .any(|route| route.method.as_str().eq_ignore_ascii_case(method) && is_of(template, route.path));
        let elsewhere = ELSEWHERE.contains(&(method, template));
        assert!(is_tried != elsewhere, "{method} {template} has no row in access/routes.rs");
    }
}

#[test]
fn every_reference_of_the_document_leads_somewhere_and_every_operation_has_a_name_of_its_own() {
    let document = committed(DOCUMENT);
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("inside the document");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    let mut names = std::collections::BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let name = operation["operationId"].as_str().expect("a name");
        assert!(names.insert(name), "{method} {path}: {name} is another's");
        assert!(operation["tags"].is_array() && operation["summary"].is_string(), "{name}");
    }
}

fn collect<'a>(value: &'a Value, references: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            references.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|member| collect(member, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn the_document_breaks_nobody_who_goes_by_the_released_one() {
    let found = breaking_changes(&committed(BASELINE), &committed(DOCUMENT));
    assert!(
        found.is_empty(),
        "callers of the released contract break:\n  {}\nadd beside what is there instead of changing it; docs/http-api.md says \
         when {BASELINE} may be replaced",
        found.join("\n  ")
    );
}
