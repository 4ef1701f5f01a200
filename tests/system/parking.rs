//! A guest with a commit that cannot be folded is parked for that read model, alone, and folded once the cause is mended.

mod tenant;
mod vault_away;

use axum::http::{Method, StatusCode};
use futures_util::future::join_all;
use keepsake_tests::harness::{
    Client, InProcess, Service, World, append_unknown, eventually, keepsake, rebuild, table, until_folded,
};
use proto::token;
use tokio_postgres::Client as Postgres;

use crate::lanes::settled::verified;

const GUESTS: usize = 6;
/// What nobody may record: stands for whatever a table refuses.
const REFUSE: &str = "ADD CONSTRAINT mended CHECK (kind <> 'poison') NOT VALID";
const MEND: &str = "DROP CONSTRAINT mended";

struct Scene {
    world: World,
    services: InProcess,
    client: Client,
    admin: Postgres,
    guests: Vec<String>,
}

impl Scene {
    /// Six guests with an interaction each, and a table that refuses some.
    async fn start() -> Self {
        let world = World::start().await;
        let services = InProcess::start(&world).await;
        let client = Client::new(&world, &services.query.url(), "demo").await;
        client.provision().await;
        let guests =
            join_all((0..GUESTS).map(async |guest| client.register(&format!("guest-{guest}")).await.guest_id)).await;
        let admin = world.database.connect(&world.database.read_admin).await;
        let scene = Self { world, services, client, admin, guests };
        scene.everybody("product.viewed").await;
        until_folded(&scene.world, &scene.client).await;
        scene.alter(REFUSE).await;
        scene
    }

    /// Changes the table of the interactions.
    async fn alter(&self, change: &str) {
        let interaction = table(&self.admin, "interaction").await;
        self.admin.batch_execute(&format!("ALTER TABLE {interaction} {change}")).await.expect("alters");
    }

    async fn record(&self, guest: usize, kind: &str) -> u64 {
        let record = format!(r#"{{"guest_id":"guest-{guest}","kind":"{kind}","topic":"music"}}"#);
        self.client.accepted("interactions.record", None, &record).await.position
    }

    async fn everybody(&self, kind: &str) {
        join_all((0..GUESTS).map(|guest| self.record(guest, kind))).await;
    }

    async fn count(&self, what: &str) -> i64 {
        self.admin.query_one(&format!("SELECT count(*) FROM {what}"), &[]).await.expect("asks").get(0)
    }

    async fn interactions(&self, guest: usize) -> i64 {
        self.count(&format!("read.interaction WHERE guest_id = '{}'", self.guests[guest])).await
    }

    /// Nothing differs from the log, but for what is parked or skipped.
    async fn is_proved(&self) {
        assert_eq!(verified(&self.world, None, None).await.findings, []);
    }

    /// `keepsake parked`, its exit code and what it said.
    async fn parked(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = tokio::process::Command::new(keepsake());
        command.arg("parked").args(arguments).envs(self.world.environment(Service::Projections)).kill_on_drop(true);
        let output = command.output().await.expect("runs");
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    }

    /// A read of a guest's interactions: its status, problem code and `X-Parked-From`.
    async fn read(&self, guest: usize, at_least: Option<u64>) -> (StatusCode, String, Option<String>) {
        self.read_of("interactions", guest, at_least).await
    }

    /// The same of another resource.
    async fn read_of(&self, what: &str, guest: usize, at_least: Option<u64>) -> (StatusCode, String, Option<String>) {
        let path = format!("/api/v1/guests/{}/{what}", self.guests[guest]);
        let token = at_least.map(token::write).unwrap_or_default();
        let headers = [("X-Tenant-ID", "demo"), ("X-Min-Position", token.as_str())];
        let answer =
            self.client.http(Method::GET, &path, if at_least.is_some() { &headers } else { &headers[..1] }, "").await;
        let body: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
        let parked_from = answer.headers.get("x-parked-from").map(|from| from.to_str().expect("ASCII").to_owned());
        (answer.status, body["code"].as_str().unwrap_or_default().to_owned(), parked_from)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_table_refuses_waits_for_its_guest_alone_and_is_folded_once_that_is_mended() {
    let scene = Scene::start().await;
    let poison = scene.record(2, "poison").await;
    scene.everybody("order.created").await;
    let last = scene.record(3, "order.created").await;
    until_folded(&scene.world, &scene.client).await;

    assert_eq!((scene.interactions(2).await, scene.interactions(3).await), (1, 3));
    let everything_else =
        "read.profile WHERE interaction_count = 3 AND guest_id IN (SELECT owner FROM keepsake.parked_guest)";
    assert_eq!(scene.count(everything_else).await, 1, "other read models have it");
    scene.is_proved().await;
    let (code, said) = scene.parked(&["list"]).await;
    assert_eq!(code, Some(0));
    for part in [&scene.guests[2], "interaction  ", &format!("from position {poison}  2 waiting"), "23514", "parked: 1"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }

    let from = Some(token::write(poison));
    assert_eq!(scene.read(2, None).await, (StatusCode::OK, String::new(), from.clone()));
    assert_eq!(scene.read(2, Some(poison - 1)).await, (StatusCode::OK, String::new(), from));
    let (status, problem, _) = scene.read(2, Some(poison)).await;
    assert_eq!((status, problem.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "guest_parked"));
    assert_eq!(scene.read(3, Some(last)).await, (StatusCode::OK, String::new(), None));

    let (code, said) = scene.parked(&["retry", "--all"]).await;
    assert!(code == Some(2) && said.contains(&format!("0 folded, 2 still wait from position {poison} on")), "{said}");
    scene.alter(MEND).await;
    let (code, said) = scene.parked(&["retry", "--guest", &scene.guests[2], "--actor", "ada"]).await;
    assert!(code == Some(0) && said.contains("done  2 folded"), "{said}");

    assert_eq!(scene.interactions(2).await, 3);
    assert_eq!(scene.count("keepsake.parked_guest").await + scene.count("keepsake.parked_commit").await, 0);
    assert_eq!(scene.count("keepsake.checkpoint WHERE parked <> 0").await, 0);
    assert_eq!(scene.count("keepsake.parking_act WHERE act = 'retry' AND actor = 'ada' AND folded = 2").await, 1);
    scene.is_proved().await;
    assert_eq!(scene.read(2, Some(last)).await, (StatusCode::OK, String::new(), None));
    let next = scene.record(2, "order.created").await;
    assert_eq!(scene.read(2, Some(next)).await.0, StatusCode::OK, "and it goes on");
    scene.services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_nobody_knows_parks_its_guest_and_can_be_skipped_for_good() {
    let scene = Scene::start().await;
    let unknown = append_unknown(&scene.client.nats, "demo", &scene.guests[4], "interactions").await;
    scene.record(5, "order.created").await;
    until_folded(&scene.world, &scene.client).await;
    // By all that read interactions, and by those that read everything.
    assert_eq!(scene.count("keepsake.parked_guest").await, 5);
    let unread = "keepsake.parked_guest WHERE projection IN ('identity', 'tenant')";
    assert_eq!(scene.count(unread).await, 0, "whoever does not read it is not stopped by it");
    scene.is_proved().await;
    // A profile is read together with others', and says so all the same.
    let shown = (StatusCode::OK, String::new(), Some(token::write(unknown)));
    assert_eq!(scene.read_of("profile", 4, None).await, shown);
    let refused = scene.read_of("profile", 4, Some(unknown)).await;
    assert_eq!((refused.0, refused.1.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "guest_parked"));
    let other = scene.read_of("profile", 5, Some(unknown)).await;
    assert_eq!(other, (StatusCode::OK, String::new(), None));

    let (code, said) = scene.parked(&["skip", "--guest", &scene.guests[4], "--reason", "a mistake"]).await;
    assert!(code == Some(1) && said.contains("5 are parked"), "{said}");
    for projection in ["profile", "interaction", "timeline", "topic_summary", "command_log"] {
        let which = ["skip", "--guest", &scene.guests[4], "--projection", projection, "--reason", "a mistake"];
        let (code, said) = scene.parked(&which).await;
        assert!(code == Some(0) && said.contains(&format!("0 folded, position {unknown} skipped")), "{said}");
    }
    let skips = format!("keepsake.parking_act WHERE act = 'skip' AND reason = 'a mistake' AND position = {unknown}");
    assert_eq!(scene.count(&skips).await, 5);
    let counted = "keepsake.checkpoint WHERE skipped = 1 AND parked = 0";
    assert_eq!((scene.count("keepsake.parked_guest").await, scene.count(counted).await), (0, 5));
    assert_eq!((scene.interactions(4).await, scene.interactions(5).await), (1, 2));
    scene.is_proved().await;

    // Another table is a read model folded anew; what was given up stays so.
    let (code, said) = rebuild(&scene.world, &["interaction"]).await;
    assert!(code == Some(0), "{said}");
    let (code, said) = rebuild(&scene.world, &["interaction", "drop"]).await;
    assert!(code == Some(0), "{said}");
    assert_eq!((scene.count("keepsake.parked_guest").await, scene.count(counted).await), (0, 5));
    scene.is_proved().await;
    scene.services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_before_the_commit_at_fault_is_folded_and_a_guest_parked_meanwhile_is_parked_anew_by_a_rebuild() {
    let scene = Scene::start().await;
    scene.services.projections.stop().await.expect("stops");
    let Scene { world, client, admin, guests, .. } = scene;
    let record = r#"{"guest_id":"guest-1","kind":"product.viewed"}"#;
    for _ in 0..2 {
        client.accepted("interactions.record", None, record).await;
    }
    let unknown = append_unknown(&client.nats, "demo", &guests[1], "interactions").await;
    // The publisher would wait for a binary that knows the event, and say that it is not ready.
    let settings = [("KEEPSAKE_ERRANDS", "0".to_owned())];
    let _workers = keepsake_tests::harness::Workers::start_with(&world, 1, &settings).await;
    let parked = async || {
        until_folded(&world, &client).await;
        let parked =
            "SELECT DISTINCT position FROM keepsake.parked_commit UNION ALL SELECT count(*) FROM read.interaction";
        let rows = admin.query(parked, &[]).await.expect("asks");
        rows.iter().map(|row| row.get(0)).collect::<Vec<i64>>()
    };
    let expected = [unknown.cast_signed(), 6 + 2];
    assert_eq!(parked().await, expected);
    for projection in schema::read_models() {
        let (code, said) = rebuild(&world, &[projection]).await;
        assert!(code == Some(0), "{said}");
    }
    assert_eq!(parked().await, expected);
    assert_eq!(verified(&world, None, None).await.findings, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_key_stops_everybody_and_parks_nobody() {
    let scene = Scene::start().await;
    let Scene { world, services, client, admin, guests } = scene;
    services.projections.stop().await.expect("stops");
    // It knows no key of anybody yet, and learns of the command only after the key is gone. A sampler would have opened events of
    // guests by then, and a publisher those that the one before it had not told of.
    let settings = [("KEEPSAKE_SAMPLE_PERCENT", "0".to_owned()), ("KEEPSAKE_ERRANDS", "0".to_owned())];
    let workers = keepsake_tests::harness::Workers::start_with(&world, 1, &settings).await;
    workers.freeze(0);
    let record = r#"{"guest_id":"guest-1","kind":"product.viewed"}"#;
    client.accepted("interactions.record", None, record).await;
    let vault = world.database.connect(&world.database.vault_admin()).await;
    let (taken, id) = ("CREATE TABLE vault.taken AS SELECT * FROM vault.guest_key", &guests[1]);
    vault.batch_execute(&format!("{taken}; DELETE FROM vault.guest_key WHERE guest_id = '{id}'")).await.expect("takes");

    workers.thaw(0);
    let tells = |line: &str| line.contains("folding is halted") && line.contains("is missing");
    eventually("the worker says what it waits for", async || workers.logged(0).lines().any(tells).then_some(())).await;
    let parked = "SELECT count(*) FROM keepsake.parked_guest";
    assert_eq!(admin.query_one(parked, &[]).await.expect("asks").get::<_, i64>(0), 0);
    let back = format!("INSERT INTO vault.guest_key SELECT * FROM vault.taken WHERE guest_id = '{id}'");
    vault.batch_execute(&back).await.expect("gives back");
    until_folded(&world, &client).await;
    assert_eq!(verified(&world, None, None).await.findings, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_too_many_are_to_be_parked_at_once_it_is_not_their_fault_and_all_wait() {
    const MANY: i64 = 130;
    let scene = Scene::start().await;
    let many = join_all((0..MANY).map(async |guest| scene.client.register(&format!("many-{guest}")).await)).await;
    join_all(many.iter().map(async |guest| {
        let record = format!(r#"{{"guest_id":"{}","kind":"poison"}}"#, guest.guest_id);
        scene.client.accepted("interactions.record", None, &record).await
    }))
    .await;
    let parked = async || scene.count("keepsake.parked_guest").await;
    eventually("the lot is full", async || (parked().await >= 100).then_some(())).await;
    let url = scene.services.projections.url();
    let http = runtime::http_client::HttpClient::new(std::time::Duration::from_secs(5));
    let why = eventually("the worker says that it is", async || {
        let answer = http.get(&format!("{url}/healthz/ready"), &[]).await.ok()?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        text.contains("more than 100 guests").then_some(text)
    })
    .await;
    assert!(parked().await < MANY, "{why}");
    // Whoever looks at it finds a table at fault, and mends that.
    scene.alter(MEND).await;
    until_folded(&scene.world, &scene.client).await;
    let (code, said) = scene.parked(&["retry", "--all"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!((parked().await, scene.count("read.interaction").await), (0, 6 + MANY));
    scene.is_proved().await;
    scene.services.stop().await;
}
