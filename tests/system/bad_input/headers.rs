//! Headers: tenants, keys of idempotency, versions; and routes and methods that are none.

use super::catalogue::{After, INTERACTIONS, Row, Scene};

const BODY: &str = r#"{"kind":"a"}"#;

fn write() -> Row {
    Row::post(INTERACTIONS, BODY)
}

fn tenants() -> Vec<Row> {
    let tenant = |name: &str| write().without("X-Tenant-ID").header("X-Tenant-ID", name);
    let long = "a".repeat(65);
    let mut rows = vec![
        write().without("X-Tenant-ID").is("no tenant", 400, "tenant_missing"),
        write().header("X-Tenant-ID", "demo").is("the tenant twice", 400, "tenant_ambiguous"),
        tenant("other").is("another tenant", 403, "tenant_mismatch"),
        Row::get("/users/ada").without("X-Tenant-ID").is("no tenant of a read", 400, "tenant_missing"),
    ];
    let malformed = ["a.b", "*", ">", "a b", "", "_sys", "ä", &long];
    rows.extend(malformed.map(|name| tenant(name).is(format!("the tenant {name:?}"), 400, "tenant_invalid")));
    rows
}

fn keys() -> Vec<Row> {
    let key = |key: &str, name: &str| write().header("Idempotency-Key", key).is(name, 400, "idempotency_key_invalid");
    vec![
        key("", "an empty key"),
        key(&"k".repeat(256), "a key of 256 characters"),
        key("a b", "a key with a blank"),
        key("ä", "a key that is not ASCII"),
        key("a", "two keys").header("Idempotency-Key", "b"),
        write().header("Idempotency-Key", "used").is("a key of another command", 422, "idempotency_key_reused"),
    ]
}

fn versions() -> Vec<Row> {
    let seen = |etag: &str, status, code| write().header("If-Match", etag).is(format!("If-Match {etag}"), status, code);
    vec![
        seen("W/\"v1-1\"", 400, "if_match_invalid"),
        seen("v1-1", 400, "if_match_invalid"),
        seen("\"v-1-1\"", 400, "if_match_invalid"),
        seen("\"v7-7\"", 412, "version_conflict"),
        seen("\"v18446744073709551616-1\"", 400, "if_match_invalid"),
    ]
}

fn routes() -> Vec<Row> {
    let no_route =
        |path: &str| Row::ask("POST", path).at_both_doors().is(format!("POST {path}"), 404, "route_not_found");
    let not_so = |method, path: &str| Row::ask(method, path).is(format!("{method} {path}"), 405, "method_not_allowed");
    let both = |method, path: &str| not_so(method, path).at_both_doors();
    let long = "a".repeat(9 * 1024);
    vec![
        no_route("/nowhere"),
        no_route("/api/v2/users"),
        no_route("//users"),
        no_route("/users/"),
        Row::get("/").is("the root", 404, "route_not_found"),
        Row::get("/nowhere").is("GET nowhere", 404, "route_not_found"),
        Row::get("/metrics").is("what is for operators", 404, "route_not_found"),
        Row::get("/schemas/nothing.json").is("no schema", 404, "route_not_found"),
        not_so("DELETE", "/users/ada"),
        not_so("DELETE", INTERACTIONS),
        not_so("DELETE", "/api/v1/guests/ada/profile"),
        not_so("OPTIONS", "/users/ada"),
        not_so("TRACE", "/users/ada"),
        both("GET", "/event"),
        both("PUT", "/users"),
        both("OPTIONS", "/users"),
        both("TRACE", "/event"),
        both("PROPFIND", "/users"),
        Row::ask("POST", "/users/ada").header("X-HTTP-Method-Override", "GET").is(
            "another method in a header",
            405,
            "method_not_allowed",
        ),
        Row::get(&format!("/{long}"))
            .at_both_doors()
            .is("a path of 9 KiB", 414, "uri_too_long")
            .and_then(After::IsClosed),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_header_or_route_is_refused_before_there_is_a_command() {
    let scene = Scene::start().await;
    let other = r#"{"guest_id":"ada","kind":"b"}"#;
    scene.client.accepted("interactions.record", Some("used"), other).await;
    for rows in [tenants(), keys(), versions(), routes()] {
        scene.refuses(&rows).await;
    }
    scene.services.stop().await;
}
