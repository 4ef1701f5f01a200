//! Pages of other origins: who may ask from a browser, and read what is answered.

use axum::http::{HeaderMap, Method, StatusCode};
use keepsake_tests::harness::{Client, InProcess, World};
use runtime::http_client::Answer;

const APP: &str = "https://app.example";
const OTHER: &str = "https://other.example";

async fn start(origins: &str) -> (World, InProcess, Client) {
    let world = World::start().await.with("KEEPSAKE_CORS_ORIGINS", origins);
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    (world, services, client)
}

async fn ask(client: &Client, method: Method, path: &str, origin: &str, headers: &[(&str, &str)]) -> Answer {
    let fixed = [("X-Tenant-ID", "demo"), ("Content-Type", "application/json"), ("Origin", origin)];
    client.http(method, path, &[&fixed, headers].concat(), r#"{"user_id":"ada"}"#).await
}

/// All values of a header.
fn told<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    headers.get_all(name).iter().map(|value| value.to_str().expect("ASCII")).collect()
}

fn names(answer: &Answer, header: &str) -> Vec<String> {
    let lists = told(&answer.headers, header);
    lists.iter().flat_map(|list| list.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_the_origins_that_are_set_may_ask_and_read_the_answers() {
    let (_world, services, client) = start(&format!("{APP}, https://admin.example")).await;
    let answers = [
        ("a read", ask(&client, Method::GET, "/api/v1/quotas", APP, &[]).await, StatusCode::OK),
        ("a write", ask(&client, Method::POST, "/users", APP, &[]).await, StatusCode::CREATED),
        ("no such route", ask(&client, Method::GET, "/nowhere", APP, &[]).await, StatusCode::NOT_FOUND),
        ("another method", ask(&client, Method::PATCH, "/users/ada", APP, &[]).await, StatusCode::METHOD_NOT_ALLOWED),
        (
            "no token for a read",
            ask(&client, Method::GET, "/users/ada", APP, &[("Authorization", "")]).await,
            StatusCode::UNAUTHORIZED,
        ),
        (
            "no token for a write",
            ask(&client, Method::POST, "/users", APP, &[("Authorization", "")]).await,
            StatusCode::UNAUTHORIZED,
        ),
    ];
    for (what, answer, status) in answers {
        assert_eq!(answer.status, status, "{what}");
        assert_eq!(told(&answer.headers, "access-control-allow-origin"), [APP], "{what}");
        assert_eq!(told(&answer.headers, "vary"), ["origin"], "{what}");
        assert!(!answer.headers.contains_key("access-control-allow-credentials"), "{what}");
        let exposed = names(&answer, "access-control-expose-headers");
        for name in
            ["etag", "x-as-of", "x-canonical-id", "x-parked-from", "consistency-token", "ratelimit", "retry-after"]
        {
            assert!(exposed.iter().any(|known| known == name), "{what}: {name}");
        }
        for name in answer.headers.keys() {
            assert_eq!(answer.headers.get_all(name).iter().count(), 1, "{what}: {name} is doubled");
        }
    }
    services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_that_asks_beforehand_is_answered_without_a_token() {
    let (_world, services, client) = start(APP).await;
    for path in ["/users/ada", "/users", "/api/v1/guests/ada/interactions", "/api/v1/tenants/demo/settings"] {
        let asked = [
            ("Authorization", ""),
            ("Access-Control-Request-Method", "PUT"),
            ("Access-Control-Request-Headers", "authorization,x-tenant-id,idempotency-key"),
        ];
        let answer = ask(&client, Method::OPTIONS, path, APP, &asked).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(told(&answer.headers, "access-control-allow-origin"), [APP], "{path}");
        assert_eq!(names(&answer, "access-control-allow-methods"), ["get", "head", "post", "put", "delete"], "{path}");
        let allowed = names(&answer, "access-control-allow-headers");
        for name in [
            "authorization",
            "content-type",
            "x-tenant-id",
            "x-min-position",
            "x-wait-ms",
            "idempotency-key",
            "if-match",
        ] {
            assert!(allowed.iter().any(|known| known == name), "{path}: {name}");
        }
        assert!(answer.headers.contains_key("access-control-max-age"), "{path}");
    }
    services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_other_origins_are_told_nothing() {
    let (_world, services, client) = start(APP).await;
    for origin in [OTHER, "https://app.example.evil.example", "http://app.example", "null"] {
        let read = ask(&client, Method::GET, "/api/v1/quotas", origin, &[]).await;
        let before =
            ask(&client, Method::OPTIONS, "/users", origin, &[("Access-Control-Request-Method", "POST")]).await;
        assert!([read, before].iter().all(|answer| told(&answer.headers, "access-control-allow-origin").is_empty()));
    }
    let health = ask(&client, Method::GET, "/healthz/ready", APP, &[]).await;
    assert!(health.status.is_success() && told(&health.headers, "access-control-allow-origin").is_empty());
    services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_every_origin_may_ask_none_may_send_what_a_browser_keeps() {
    let (_world, services, client) = start("*").await;
    let answer = ask(&client, Method::GET, "/api/v1/quotas", OTHER, &[]).await;
    assert_eq!(told(&answer.headers, "access-control-allow-origin"), ["*"]);
    assert!(!answer.headers.contains_key("access-control-allow-credentials"));
    services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_origin_is_set_nothing_is_said_of_origins() {
    let (_world, services, client) = start("").await;
    for method in [Method::GET, Method::OPTIONS] {
        let answer = ask(&client, method, "/users/ada", APP, &[]).await;
        let mut names = answer.headers.keys().map(axum::http::HeaderName::as_str);
        assert!(!names.any(|name| name.starts_with("access-control-") || name == "vary"), "{:?}", answer.headers);
    }
    services.stop().await;
}
