//! What a collector of traces is sent, and what becomes of the services when it is gone.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use keepsake_tests::harness::{Client, Collector, Processes, Recorded, Service, World};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0fa902b7";
/// Who, of what and how: nothing of it may leave a process with a span.
const CANARY: &str = "canary-quokka";
const COMMITS: u64 = 200;

async fn world(collector: &Collector) -> World {
    let world = World::start().await.with("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url());
    world.with("OTEL_BSP_SCHEDULE_DELAY", "100")
}

async fn register(client: &Client, user_id: &str, traceparent: &str) -> Value {
    let headers = [("X-Tenant-ID", "demo"), ("Content-Type", "application/json"), ("traceparent", traceparent)];
    let body = json!({"user_id": user_id, "attributes": {"name": CANARY}}).to_string();
    let answer = client.http(Method::POST, &format!("/users?{CANARY}"), &headers, &body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    serde_json::from_slice(&answer.body).expect("JSON")
}

#[tokio::test]
async fn one_trace_leads_from_a_request_through_the_log_to_the_rows() {
    let collector = Collector::start().await;
    let world = world(&collector).await;
    let mut processes = Processes::start(&world).await;
    let client = Client::new(&world, &processes.url(Service::Query), "demo").await;
    client.provision().await;
    let reply = register(&client, CANARY, &format!("00-{TRACE}-{CALLER}-01")).await;
    let position = reply["position"].to_string();

    let step = async |service: &str, name: &str, parent: &str| {
        let is = |span: &Recorded| {
            (span.service.as_str(), span.name.as_str(), span.trace_id.as_str()) == (service, name, TRACE)
        };
        let span = collector.span(&format!("{service} has recorded {name}"), is).await;
        assert_eq!(span.parent_id, parent, "{span:?}");
        span
    };
    let passed_on = step("query-service", "POST /{*path}", CALLER).await;
    let taken = step("command-service", "POST /users", &passed_on.span_id).await;
    assert_eq!(taken.attribute("http.response.status_code"), Some("201"));
    let command = step("command-service", "command guest.register", &taken.span_id).await;
    assert_eq!(command.attribute("keepsake.tenant"), Some("demo"));
    assert_eq!(command.attribute("keepsake.outcome"), Some("accepted"));
    let append = step("command-service", "send EVT", &command.span_id).await;
    assert_eq!(append.attribute("messaging.batch.message_count"), Some("1"));
    assert_eq!(append.attribute("keepsake.position"), Some(position.as_str()));
    for name in ["process EVT", "send publisher"] {
        let is = |span: &Recorded| span.name == name && span.follows(&append);
        let behind = collector.span(&format!("the commit leads to {name}"), is).await;
        assert_eq!(behind.service, "projection-workers");
        let last = behind.attribute("keepsake.position.last").and_then(|last| last.parse::<u64>().ok());
        assert!(last >= reply["position"].as_u64(), "{behind:?}");
    }

    let refused = client.get(&format!("/users/{CANARY}-2"), "").await;
    assert_eq!(refused.0, StatusCode::NOT_FOUND);
    let trace = refused.1["trace_id"].as_str().expect("a request without a trace gets one").to_owned();
    let read = collector.span("the read is recorded", |span| span.trace_id == trace).await;
    assert_eq!((read.name.as_str(), read.attribute("error.type")), ("GET /users/{guest_id}", Some("guest_not_found")));
    for service in Service::ALL {
        processes.stop(service).await;
    }
    let sent = format!("{:?}", collector.spans());
    assert!(!sent.contains(CANARY), "{sent}");
    assert!(!sent.contains("healthz"), "{sent}");
}

#[tokio::test]
async fn a_batch_is_linked_with_the_trace_of_every_commit_in_it() {
    let collector = Collector::start().await;
    let world = world(&collector).await;
    let mut processes = Processes::start(&world).await;
    let client = Client::new(&world, &processes.url(Service::Query), "demo").await;
    client.provision().await;
    client.register("ada").await;
    processes.stop(Service::Projections).await;
    for _ in 0..COMMITS {
        client.accepted("interactions.record", None, r#"{"guest_id":"ada","kind":"a"}"#).await;
    }
    processes.start_one(Service::Projections).await;
    let batch = |span: &Recorded| span.name == "process EVT" && span.links.len() > 1;
    collector.span("a batch of several commits", batch).await;
    // What is recorded is sent when a process stops.
    for service in Service::ALL {
        processes.stop(service).await;
    }
    let named = |name: &str| collector.spans().into_iter().filter(|span| span.name == name).collect::<Vec<_>>();
    let (appends, batches) = (named("send EVT"), named("process EVT"));
    assert!(appends.len() as u64 >= COMMITS, "{} appends", appends.len());
    // A span has 128 links at most.
    let reached = appends.iter().filter(|append| batches.iter().any(|batch| batch.follows(append))).count();
    assert!(reached >= 128, "{reached} of {} appends lead to a batch", appends.len());
}

#[tokio::test]
async fn a_collector_that_is_gone_disturbs_nobody() {
    let collector = Collector::start().await;
    let world = world(&collector).await;
    collector.stop().await;
    let mut processes = Processes::start(&world).await;
    let client = Client::new(&world, &processes.url(Service::Query), "demo").await;
    client.provision().await;
    let reply = register(&client, "ada", "").await;
    let token = reply["consistency_token"].as_str().expect("a token");
    client.read("/users/ada", token).await;
    for service in Service::ALL {
        processes.stop(service).await;
        let logged = processes.logged(service);
        assert!(logged.contains("spans are lost"), "{logged}");
    }
}
