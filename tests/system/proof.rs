//! A read model that is not what the log says is found out: by `keepsake verify`, and by the sampler while everything runs.

use futures_util::future::join_all;
use keepsake_tests::harness::{
    Client, InProcess, Service, Workers, World, eventually, keepsake, services, until_folded,
};
use projection_workers::{Finding, Verified};
use runtime::http_client::HttpClient;
use tokio_postgres::Client as Postgres;

use crate::lanes::settled::verified;

const GUESTS: usize = 12;

struct Scene {
    world: World,
    client: Client,
    admin: Postgres,
    /// Our id of each guest.
    guests: Vec<String>,
}

/// Twelve guests with three interactions each, folded; nothing runs any more.
async fn scene() -> Scene {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    let guests =
        join_all((0..GUESTS).map(async |guest| client.register(&format!("guest-{guest}")).await.guest_id)).await;
    for turn in 0..3 {
        join_all((0..GUESTS).map(|guest| record(&client, guest, turn))).await;
    }
    until_folded(&world, &client).await;
    services.stop().await;
    let admin = world.database.connect(&world.database.read_admin).await;
    Scene { world, client, admin, guests }
}

async fn record(client: &Client, guest: usize, turn: usize) -> u64 {
    let record = format!(r#"{{"guest_id":"guest-{guest}","kind":"product.viewed","topic":"topic {turn}"}}"#);
    client.accepted("interactions.record", None, &record).await.position
}

impl Scene {
    async fn damage(&self, sql: &str) {
        let damaged = self.admin.execute(sql, &[]).await.expect("damages");
        assert_eq!(damaged, 1, "{sql}");
    }

    async fn findings(&self, guests: Option<usize>) -> Vec<Finding> {
        verified(&self.world, None, guests).await.findings
    }

    async fn kept(&self) -> i64 {
        self.admin.query_one("SELECT count(*) FROM keepsake.finding", &[]).await.expect("asks").get(0)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_folded_well_is_proved_and_says_up_to_where() {
    let scene = scene().await;
    let Verified { commits, owners, findings } = verified(&scene.world, None, None).await;
    assert_eq!(findings, []);
    // The tenant's own commit, and four of each guest.
    assert_eq!((commits, owners), (1 + 4 * GUESTS as u64, 1 + GUESTS as u64));
    let Verified { owners, findings, .. } = verified(&scene.world, Some("profile"), Some(5)).await;
    assert_eq!((owners, findings), (5, Vec::new()));
    let end = event_log::stream::info(&scene.client.nats).await.expect("the log").last_position.cast_signed();
    let least = "SELECT min(position) FROM keepsake.verified";
    assert_eq!(scene.admin.query_one(least, &[]).await.expect("asks").get::<_, i64>(0), end);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_changed_behind_the_workers_back_is_told_with_its_guest_and_the_columns() {
    let scene = scene().await;
    let guest = &scene.guests[3];
    scene.damage(&format!("UPDATE read.profile SET interaction_count = 7 WHERE guest_id = '{guest}'")).await;
    let findings = scene.findings(None).await;
    let [finding] = &findings[..] else { panic!("one finding: {findings:#?}") };
    assert_eq!((finding.projection.as_str(), finding.relation.as_str()), ("profile", "read.profile"));
    assert_eq!((finding.tenant.as_str(), finding.guest_id.as_deref()), ("demo", Some(guest.as_str())));
    assert_eq!(finding.difference, "interaction_count is 7, should be 3");
    assert_eq!(scene.kept().await, 1);
    scene.damage(&format!("UPDATE read.profile SET interaction_count = 3 WHERE guest_id = '{guest}'")).await;
    assert_eq!(scene.findings(None).await, []);
    assert_eq!(scene.kept().await, 0, "what is well again is forgotten");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_too_few_too_many_and_of_nobody_are_all_found() {
    let scene = scene().await;
    let lost = &scene.guests[0];
    scene
        .damage(&format!(
            "DELETE FROM read.interaction WHERE position = (SELECT max(position) FROM read.interaction WHERE guest_id = '{lost}')"
        ))
        .await;
    scene
        .damage(
            "INSERT INTO read.identity (tenant, guest_id, pp, canonical_id, canonical_pp, registered_at, position)
             VALUES ('demo', 'prf_00000000000000000000000000000000', 5, 'prf_00000000000000000000000000000000', 5, now(), 1)",
        )
        .await;
    scene
        .damage(
            "UPDATE read.topic_summary SET guest_count = guest_count + 1
             WHERE (tenant, topic_key, pp) = (SELECT tenant, topic_key, pp FROM read.topic_summary LIMIT 1)",
        )
        .await;
    let mut found: Vec<_> =
        scene.findings(None).await.into_iter().map(|found| (found.relation, found.difference)).collect();
    found.sort();
    let found: Vec<_> = found.iter().map(|(relation, difference)| (relation.as_str(), difference.as_str())).collect();
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!(found[0], ("read.identity", "should not be there"));
    assert_eq!(found[1], ("read.interaction", "missing"));
    assert!(found[2].0 == "read.topic_summary" && found[2].1.starts_with("guest_count is"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_was_passed_over_is_found_with_its_guest_and_position() {
    let scene = scene().await;
    let command = services::command(&scene.world).await;
    let position = record(&scene.client, 6, 9).await;
    command.stop().await.expect("stops");
    // The position moves on, as in a worker that loses a message and does not notice.
    scene.admin.execute("UPDATE keepsake.lane SET position = $1", &[&position.cast_signed()]).await.expect("moves");
    let findings = scene.findings(Some(1)).await;
    let uncounted = findings.iter().filter(|finding| finding.relation == "keepsake.checkpoint");
    assert_eq!(uncounted.count(), schema::read_models().count(), "{findings:#?}");
    let missing = findings.iter().find(|finding| finding.relation == "read.interaction").expect("the row is missed");
    assert_eq!(missing.guest_id.as_deref(), Some(scene.guests[6].as_str()));
    assert_eq!((missing.position, missing.difference.as_str()), (position.cast_signed(), "missing"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sampler_finds_what_is_wrong_while_everything_runs_and_tells_it() {
    let scene = scene().await;
    let guest = &scene.guests[2];
    scene.damage(&format!("UPDATE read.profile SET version = 9 WHERE guest_id = '{guest}'")).await;
    let settings = [("KEEPSAKE_SAMPLE_PERCENT", "50".to_owned())];
    let workers = Workers::start_with(&scene.world, 1, &settings).await;
    eventually("the sampler has found it", async || (scene.kept().await == 1).then_some(())).await;
    let tells = |line: &str| line.contains("a read model is not what the log says") && line.contains(guest.as_str());
    eventually("it is in the log", async || workers.logged(0).lines().any(tells).then_some(())).await;
    let http = HttpClient::new(std::time::Duration::from_secs(5));
    eventually("it is counted", async || {
        let answer = http.get(&format!("{}/metrics", workers.url(0)), &[]).await.ok()?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let counted = |line: &str| {
            line.starts_with("keepsake_projection_findings_total{projection=\"profile\"") && !line.ends_with(" 0")
        };
        text.lines().any(counted).then_some(())
    })
    .await;
    scene.damage(&format!("UPDATE read.profile SET version = 1 WHERE guest_id = '{guest}'")).await;
    eventually("it is well again", async || (scene.kept().await == 0).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keepsake_verify_says_in_words_and_by_its_exit_code_whether_all_is_well() {
    let scene = scene().await;
    let run = async |arguments: &[&str]| {
        let mut command = tokio::process::Command::new(keepsake());
        command.arg("verify").args(arguments).envs(scene.world.environment(Service::Projections)).kill_on_drop(true);
        let output = command.output().await.expect("runs");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
        )
    };
    let (code, said) = run(&["--full"]).await;
    assert!(code == Some(0) && said.contains("proved  the read models are what the log says"), "{said}");
    let (code, said) = run(&["--projection", "profiles"]).await;
    assert!(code == Some(2) && said.contains("there is no read model profiles"), "{said}");
    scene
        .damage(&format!(
            "DELETE FROM read.timeline WHERE guest_id = '{}' AND event_type = 'GuestRegistered'",
            scene.guests[1]
        ))
        .await;
    let (code, said) = run(&["--guests", "100"]).await;
    assert_eq!(code, Some(1), "{said}");
    for part in ["timeline", &scene.guests[1], "missing", "NOT PROVED  1 difference"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}
