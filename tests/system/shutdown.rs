//! SIGTERM under load: it is announced, everything under way is answered, and the process is gone within ten seconds.

use event_log::stream;
use futures_util::future::join_all;
use keepsake_tests::harness::{Client, Processes, RawHttp, Service, World, eventually};

const CALLERS: usize = 200;
/// Long enough for each caller to be answered once more on a busy machine.
const NOTICE_MS: &str = "3000";
const READ: &str = "GET /api/v1/guests/ada/profile";
const WRITE: &str = "POST /api/v1/guests/ada/interactions";
const BODY: &str = r#"{"kind":"a"}"#;

/// A tenant with a guest, and a request about her.
struct Scene {
    processes: Processes,
    client: Client,
    request: Vec<u8>,
}

impl Scene {
    async fn start(world: &World, service: Service, request_line: &str) -> Self {
        let processes = Processes::start(world).await;
        let client = Client::new(world, &processes.url(Service::Query), "demo").await;
        client.provision().await;
        let seen = client.register("ada").await.consistency_token;
        client.read("/users/ada", &seen).await;
        let body = if service == Service::Command { BODY } else { "" };
        let lines =
            format!("Host: a\r\nX-Tenant-ID: demo\r\nContent-Type: application/json\r\nContent-Length: {}", body.len());
        let bearer = world.bearer("demo");
        let request = format!("{request_line} HTTP/1.1\r\nAuthorization: {bearer}\r\n{lines}\r\n\r\n{body}").into();
        Self { processes, client, request }
    }

    async fn position(&self) -> u64 {
        stream::info(&self.client.nats).await.expect("the log").last_position
    }
}

/// Asks again and again on one connection, until an answer says that it is the last: how often it got what it asked for. No answer is
/// missing and none breaks off.
async fn ask_until_the_last(url: &str, request: &[u8]) -> u64 {
    let (mut connection, mut good) = (RawHttp::connect(url).await, 0);
    loop {
        let answer = connection.ask(request).await.expect("an answer to every request");
        let is_good = [200, 201].contains(&answer.status);
        // A busy machine has too much of them at times, stop or no stop.
        let is_busy = answer.code().as_deref() == Some("overloaded");
        assert!(is_good || is_busy, "{}: {}", answer.status, String::from_utf8_lossy(&answer.body));
        good += u64::from(is_good);
        if answer.header("connection").as_deref() == Some("close") {
            assert!(connection.answer().await.is_none(), "the last answer was not the last");
            return good;
        }
    }
}

/// Whoever asks whether it is ready hears that it is stopping, on a new connection: so the listener is still open.
async fn until_not_ready(url: &str) {
    eventually("it says that it is stopping", async || {
        let mut connection = RawHttp::connect(url).await;
        let answer = connection.ask(b"GET /healthz/ready HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("an answer");
        let said = String::from_utf8_lossy(&answer.body).into_owned();
        (answer.status == 503 && said.contains("\"stopping\"")).then_some(())
    })
    .await;
}

/// Stops the service in the middle of everything; how many requests were answered.
async fn stop_under_load(scene: &mut Scene, service: Service) -> u64 {
    let (url, request) = (scene.processes.url(service), scene.request.clone());
    let mut idle = RawHttp::connect(&url).await;
    assert!(idle.lives().await);
    let mut halves = Vec::new();
    for half in [&request[..10], &request[..request.len() - 1]] {
        let mut connection = RawHttp::connect(&url).await;
        connection.send(half).await;
        halves.push(connection);
    }
    let callers = join_all((0..CALLERS).map(|_| ask_until_the_last(&url, &request)));
    let stopping = async {
        eventually("all callers are at it", async || idle.lives().await.then_some(())).await;
        scene.processes.terminate(service);
        until_not_ready(&url).await;
    };
    let (answered, ()) = tokio::join!(callers, stopping);
    scene.processes.until_ended(service).await;
    assert!(!idle.lives().await, "an idle connection is closed");
    answered.iter().sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_under_way_are_answered_before_query_service_ends() {
    let world = World::start().await.with("KEEPSAKE_SHUTDOWN_NOTICE_MS", NOTICE_MS);
    let mut scene = Scene::start(&world, Service::Query, READ).await;
    let answered = stop_under_load(&mut scene, Service::Query).await;
    assert!(answered > 0, "nothing was read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_under_way_are_answered_before_command_service_ends() {
    let world = World::start().await.with("KEEPSAKE_SHUTDOWN_NOTICE_MS", NOTICE_MS);
    let mut scene = Scene::start(&world, Service::Command, WRITE).await;
    let before = scene.position().await;
    let answered = stop_under_load(&mut scene, Service::Command).await;
    let canaries = 1;
    let stored = scene.position().await - before;
    assert!((answered..=answered + canaries).contains(&stored), "{answered} were accepted, {stored} are in the log");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_the_notice() {
    let world = World::start().await.with("KEEPSAKE_SHUTDOWN_NOTICE_MS", "5000");
    let mut processes = Processes::start_only(&world, &[Service::Command]).await;
    let mut idle = RawHttp::connect(&processes.url(Service::Command)).await;
    processes.terminate(Service::Command);
    until_not_ready(&processes.url(Service::Command)).await;
    assert!(idle.lives().await, "it still answers");
    processes.terminate(Service::Command);
    processes.until_ended(Service::Command).await;
}
