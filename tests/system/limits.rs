//! How often a tenant and its callers may ask over HTTP.

use axum::http::{Method, StatusCode};
use keepsake_cli::dev_issuer::{Bearer, Grant};
use keepsake_tests::harness::{Client, InProcess, World, eventually};
use runtime::http_client::Answer;

/// More than the budget, and asked faster than it fills up again.
const MANY: usize = 60;

async fn ask(client: &Client, path: &str) -> Answer {
    client.http(Method::GET, path, &[("X-Tenant-ID", "demo")], "").await
}

fn service(name: &str) -> Grant {
    let bearer = Bearer::Service { tenants: vec!["demo".to_owned()], service_id: name.to_owned() };
    Grant { bearer, ..Grant::admin("demo", 600) }
}

/// How many of many requests at once are refused, and one of the refusals.
async fn refused(client: &Client, path: &str) -> (usize, Option<Answer>) {
    let answers = futures_util::future::join_all((0..MANY).map(|_| ask(client, path))).await;
    let mut refused: Vec<Answer> =
        answers.into_iter().filter(|answer| answer.status == StatusCode::TOO_MANY_REQUESTS).collect();
    (refused.len(), refused.pop())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_too_often_waits_and_others_do_not() {
    let world = World::start().await.with("KEEPSAKE_PRINCIPAL_REQUESTS_PER_S", "3");
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    let (loud, calm) = (client.with(&service("loud")), client.with(&service("calm")));
    for path in ["/api/v1/quotas", "/users/nobody", "/api/v1/commands/none"] {
        let (count, answer) = refused(&loud, path).await;
        assert!(count > MANY / 2, "{path}: {count} of {MANY} refused");
        let answer = answer.expect("one");
        let problem: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!((&problem["code"], &problem["retryable"]), (&"rate_limited".into(), &true.into()), "{path}");
        assert!(answer.headers.contains_key("retry-after"), "{path}");
    }
    for path in ["/api/v1/quotas", "/users/nobody", "/api/v1/commands/none"] {
        assert_ne!(ask(&calm, path).await.status, StatusCode::TOO_MANY_REQUESTS, "{path}");
    }
    services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_refused_too_often_waits_and_those_let_in_at_the_same_address_do_not() {
    let world = World::start().await.with("KEEPSAKE_REFUSALS_PER_S", "3");
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    let headers = [("X-Tenant-ID", "demo"), ("Authorization", "Bearer a.b.c")];
    for path in ["/api/v1/quotas", "/api/v1/commands/none"] {
        let guesses = (0..MANY).map(|_| client.http(Method::GET, path, &headers, ""));
        let answers = futures_util::future::join_all(guesses).await;
        let of = |status| answers.iter().filter(|answer| answer.status == status).count();
        assert!(of(StatusCode::UNAUTHORIZED) > 0, "{path}: the first ones hear why");
        assert!(of(StatusCode::TOO_MANY_REQUESTS) > MANY / 2, "{path}");
        assert!(ask(&client, path).await.status != StatusCode::TOO_MANY_REQUESTS, "{path}");
    }
    services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_of_one_tenant_share_its_budget_and_can_read_it() {
    let world = World::start().await.with("KEEPSAKE_TENANT_REQUESTS_PER_S", "5");
    let world = world.with("KEEPSAKE_PRINCIPAL_REQUESTS_PER_S", "2000");
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    let answer = ask(&client, "/api/v1/quotas").await;
    let quotas: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(quotas["tenant"], serde_json::json!({"limit": 5, "window_s": 1, "remaining": 4}));
    assert_eq!(quotas["principal"]["limit"], 2_000);
    assert_eq!(answer.headers["ratelimit-policy"], "\"tenant\";q=5;w=1, \"principal\";q=2000;w=1");
    let callers: Vec<Client> = (0..MANY).map(|n| client.with(&service(&format!("service{n}")))).collect();
    let answers = futures_util::future::join_all(callers.iter().map(|caller| ask(caller, "/api/v1/quotas"))).await;
    let refused = answers.iter().filter(|answer| answer.status == StatusCode::TOO_MANY_REQUESTS).count();
    assert!(refused > MANY / 2, "{refused} of {MANY} refused");
    let other = client.http(Method::GET, "/api/v1/quotas", &[("X-Tenant-ID", "other")], "").await;
    assert_eq!(other.status, StatusCode::OK, "another tenant has a budget of its own");
    services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_agreed_with_a_tenant_counts_in_every_service_until_it_is_taken_back() {
    let world = World::start().await.with("KEEPSAKE_TENANT_REQUESTS_PER_S", "900000");
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    client.of("other").provision().await;
    let seen = client.register("ada").await.consistency_token;
    client.read("/users/ada", &seen).await;
    let settings = async |json: &str| {
        let headers = [("X-Tenant-ID", "demo"), ("Content-Type", "application/json")];
        let answer = client.http(Method::PUT, "/api/v1/tenants/demo/settings", &headers, json).await;
        let said: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
        (answer.status, said)
    };
    // Reads are query-service's, writes command-service's.
    let until_both_say = async |limit: u32| {
        for (method, path) in [(Method::GET, "/users/ada"), (Method::POST, "/users")] {
            let policy = format!("\"tenant\";q={limit};");
            let headers = [("X-Tenant-ID", "demo"), ("Content-Type", "application/json")];
            eventually(&format!("{path} is held to {limit}"), async || {
                let answer = client.http(method.clone(), path, &headers, r#"{"user_id":"ada"}"#).await;
                let said = answer.headers.get("ratelimit-policy")?.to_str().expect("ASCII");
                said.starts_with(&policy).then_some(())
            })
            .await;
        }
    };
    let (status, reply) = settings(r#"{"requests_per_s":700}"#).await;
    assert_eq!((status, &reply["events"][0]["type"]), (StatusCode::OK, &"TenantConfigured".into()));
    until_both_say(700).await;
    let other = client.http(Method::GET, "/api/v1/quotas", &[("X-Tenant-ID", "other")], "").await;
    let other: serde_json::Value = serde_json::from_slice(&other.body).expect("JSON");
    assert_eq!(other["tenant"]["limit"], 900_000);
    let (status, problem) = settings(r#"{"requests_per_s":1000001}"#).await;
    assert_eq!((status, &problem["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &"number_out_of_range".into()));
    assert_eq!(settings("{}").await.0, StatusCode::OK);
    until_both_say(900_000).await;
    services.stop().await;
}
