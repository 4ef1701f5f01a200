//! Personal data is in no file of the log and in no line or figure of any process; nor is a token.

use std::fs;
use std::path::Path;

use axum::http::{Method, StatusCode};
use keepsake_cli::commander::Outcome;

use keepsake_tests::harness::{Client, Processes, Service, World};

/// Texts that stand nowhere by chance.
const CANARIES: [&str; 6] =
    ["canary-quokka", "canary-wombat", "canary_numbat", "canary-dunnart", "canary-bilby", "canary-potoroo"];

fn files_below(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

fn is_in(canary: &str, content: &[u8]) -> bool {
    content.windows(canary.len()).any(|window| window == canary.as_bytes())
}

fn assert_clean(folder: &Path, token: &str) -> usize {
    let files = files_below(folder);
    for file in &files {
        let content = fs::read(file).expect("readable");
        for canary in CANARIES.into_iter().chain([token]) {
            assert!(!is_in(canary, &content), "{canary} stands in {}", file.display());
        }
    }
    files.len()
}

#[tokio::test]
async fn no_personal_data_in_the_log_or_in_any_line_of_output() {
    let world = World::start().await;
    let mut processes = Processes::start_logging(&world, "debug").await;
    let client = Client::new(&world, &processes.url(Service::Query), "demo").await;
    client.provision().await;
    let [identifier, attribute, kind, topic, property, credential] = CANARIES;
    let register = format!(r#"{{"identifier":"{identifier}","attributes":{{"name":"{attribute}"}}}}"#);
    client.accepted("guest.register", None, &register).await;
    let record = format!(
        r#"{{"guest_id":"{identifier}","kind":"{kind}","topic":"{topic}","properties":{{"note":"{property}"}}}}"#
    );
    let token = client.accepted("interactions.record", None, &record).await.consistency_token;
    let profile = client.read(&format!("/users/{identifier}"), &token).await;
    assert_eq!(profile["attributes"]["name"], attribute);
    client.read(&format!("/guests/{identifier}/interactions?topic={topic}"), &token).await;
    // Refusals and faults are what tempts a program to print its input.
    for bad in [
        record.replace(kind, "Not A Kind"),
        record.replace(r#"{"note""#, r#"["note""#),
        format!("{{\"{property}\":1}}"),
    ] {
        assert!(matches!(client.send("interactions.record", None, &bad).await, Outcome::Refused { .. }));
    }
    client.get(&format!("/users/{attribute}"), "").await;
    let bearer = format!("Bearer {credential}");
    for (headers, status) in [
        (vec![("Authorization", bearer.as_str())], StatusCode::UNAUTHORIZED),
        (vec![("traceparent", credential), ("tracestate", credential)], StatusCode::OK),
    ] {
        let headers: Vec<_> = headers.into_iter().chain([("X-Tenant-ID", "demo")]).collect();
        let answer = client.http(Method::GET, &format!("/users/{identifier}"), &headers, "").await;
        assert_eq!(answer.status, status);
        let path = format!("/users?{topic}={property}");
        let answer = client.http(Method::POST, &path, &headers, &register).await;
        assert!(answer.status.is_client_error(), "{answer:?}");
    }
    let mut told = 0;
    for service in Service::ALL {
        let figures = Client::new(&world, &processes.url(service), "demo").await;
        let figures = figures.http(Method::GET, "/metrics", &[], "").await;
        told += usize::from(figures.status.is_success());
        assert!(!CANARIES.iter().any(|canary| is_in(canary, &figures.body)), "{:?}", figures.body);
    }
    assert!(told > 0, "some process has figures");
    for service in Service::ALL {
        processes.kill(service).await;
    }
    // Every append is on disk when it is answered, so the files can be read while the server runs.
    let bearer = world.bearer("demo");
    // Every token of the issuer begins with the same head.
    let token = bearer.trim_start_matches("Bearer ").split('.').next().expect("a head");
    assert!(assert_clean(&world.folder().join("nats"), token) > 0, "the log's files were looked at");
    assert_eq!(assert_clean(&world.folder().join("logs"), token), 3);
}
