//! Pages people read load without a network: everything they name is served by the service itself.

use std::collections::BTreeSet;

use axum::http::{Method, StatusCode};
use keepsake_tests::harness::{Client, InProcess, World};

use super::{get, json};

const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What stands in quotes after any of these.
fn named(page: &str) -> BTreeSet<String> {
    let after = ["href=\"", "src=\"", "url: \"", "init(\n  \""];
    let found = after.iter().flat_map(|start| page.split(start).skip(1).filter_map(|rest| rest.split('"').next()));
    found.map(str::to_owned).collect()
}

/// The page, and everything it names, whatever that names again.
async fn load(client: &Client, path: &str, loaded: &mut BTreeSet<String>) {
    let mut wanted = vec![path.to_owned()];
    while let Some(path) = wanted.pop() {
        if path.starts_with("data:") || !loaded.insert(path.clone()) {
            continue;
        }
        assert!(path.starts_with('/') && !path.starts_with("//"), "{path} is another's");
        let answer = get(client, &path, &[("Authorization", "")]).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        let media_type = answer.headers["content-type"].to_str().expect("ASCII");
        // Programs of others name what they never load; the policy of the page says what they may.
        let is_ours = media_type.starts_with("text/html") || path.starts_with("/docs/assets/keepsake/");
        if media_type.starts_with("text/html") {
            let policy = answer.headers["content-security-policy"].to_str().expect("ASCII");
            assert!(policy.starts_with("default-src 'self'") || policy.starts_with("default-src 'none'"), "{policy}");
            assert!(!policy.contains("http"), "{path}: {policy}");
        }
        if is_ours {
            wanted.extend(named(&String::from_utf8_lossy(&answer.body)));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_loads_without_network_and_without_token() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    let mut loaded = BTreeSet::new();
    for page in ["/docs", "/redoc", "/problems"] {
        load(&client, page, &mut loaded).await;
    }
    for expected in ["/openapi.json", "/asyncapi.json", "/docs/assets/keepsake/docs.js", "/problems/guest_not_found"] {
        assert!(loaded.contains(expected), "{expected} is not among {loaded:?}");
    }
    let programs: Vec<_> =
        loaded.iter().filter(|path| path.contains("/swagger-ui-") || path.contains("/redoc-")).collect();
    assert_eq!(programs.len(), 3, "{programs:?}");
    for path in programs {
        let compressed = get(&client, path, &[("Accept-Encoding", "gzip")]).await;
        assert_eq!(compressed.body[..2], GZIP, "{path}");
        assert!(compressed.headers["cache-control"].to_str().expect("ASCII").contains("immutable"));
        let plain = get(&client, path, &[]).await;
        assert!(!plain.headers.contains_key("content-encoding") && plain.body[..2] != GZIP, "{path}");
    }
    services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_type_of_a_problem_leads_to_the_page_that_explains_it() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    let refused = client.http(Method::DELETE, "/docs", &[], "").await;
    let problem = json(&refused);
    let page = get(&client, problem["type"].as_str().expect("a type"), &[("Authorization", "")]).await;
    assert_eq!(page.status, StatusCode::OK);
    let page = String::from_utf8_lossy(&page.body).into_owned();
    let code = problem["code"].as_str().expect("a code");
    assert!(page.contains(&format!("<h1>{code}</h1>")) && page.contains("<em>What to do:</em>"), "{page}");
    for path in ["/problems/no_such_code", "/problems/%FF", "/docs/assets/keepsake/none.js", "/docs/assets/%FF/docs.js"]
    {
        let unknown = get(&client, path, &[]).await;
        assert_eq!(
            (unknown.status, &json(&unknown)["code"]),
            (StatusCode::NOT_FOUND, &"route_not_found".into()),
            "{path}"
        );
    }
    services.stop().await;
}
