//! Files become commands: once, however often they are imported and whatever interrupts them.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use event_log::stream;
use keepsake_cli::import::{self, FileFormat, ImportArgs, Source, Summary};
use tokio::sync::watch;

use keepsake_tests::harness::{Client, InProcess, World, eventually, until_folded};

/// Arguments for a file of this content.
pub(crate) fn arguments(world: &World, name: &str, content: &str, format: FileFormat) -> ImportArgs {
    let file = world.folder().join(name);
    fs::write(&file, content).expect("writes");
    arguments_for(world, file, format)
}

pub(crate) fn arguments_for(world: &World, file: PathBuf, format: FileFormat) -> ImportArgs {
    ImportArgs {
        file,
        format,
        tenant: "demo".parse().expect("a token"),
        nats: world.nats.of_services().into(),
        rejects: None,
        state_dir: world.folder().join("import"),
        concurrency: 64,
        patience: 60,
    }
}

/// Imports until the end or the interruption.
pub(crate) async fn run(world: &World, args: &ImportArgs, interrupted: watch::Receiver<bool>) -> Summary {
    let source = Source::open(&args.file).expect("opens");
    import::import(args, source, world.folder().join("rejects"), interrupted).await.expect("imports")
}

pub(crate) async fn run_whole(world: &World, args: &ImportArgs) -> Summary {
    let (_never, interrupted) = watch::channel(false);
    run(world, args, interrupted).await
}

/// Purchases in the form of the CDNOW data set: `customers` of them, `each` purchases of 1.25 dollars.
pub(crate) fn purchases(customers: u32, each: u32) -> String {
    let mut text = " customer_id  date number_of_cds  dollar_value\r\n".to_owned();
    for n in 0..customers * each {
        writeln!(text, " {:05} 1997{:02}15  1    1.25\r", 1 + n % customers, 1 + n / customers % 12).expect("writes");
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_imported_twice_changes_nothing() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    let args = arguments(&world, "purchases.txt", &purchases(40, 5), FileFormat::Cdnow);
    let first = run_whole(&world, &args).await;
    assert_eq!(first, Summary { records: 200, accepted: 200, finished: true, ..Summary::default() });
    let second = run_whole(&world, &args).await;
    assert_eq!(second, Summary { records: 200, replayed: 200, finished: true, ..Summary::default() });
    until_folded(&world, &client).await;
    let summary = client.read("/api/v1/topics/music/summary", "").await;
    assert_eq!((&summary["guest_count"], &summary["interaction_count"]), (&40.into(), &200.into()));
    services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_import_goes_on_where_it_stopped() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    let args = arguments(&world, "purchases.txt", &purchases(50, 30), FileFormat::Cdnow);
    let (interrupt, interrupted) = watch::channel(false);
    let stopper = async {
        eventually("some of it is in the log", async || {
            (stream::info(&client.nats).await.expect("the log").last_position > 300).then_some(())
        })
        .await;
        interrupt.send_replace(true);
    };
    let (first, ()) = tokio::join!(run(&world, &args, interrupted), stopper);
    assert!(!first.finished && first.accepted > 0 && first.accepted < 1500, "{first:?}");
    let second = run_whole(&world, &args).await;
    assert!(second.finished && second.records < 1500, "{second:?}");
    until_folded(&world, &client).await;
    let summary = client.read("/api/v1/topics/music/summary", "").await;
    assert_eq!((&summary["guest_count"], &summary["interaction_count"]), (&50.into(), &1500.into()));
    services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_record_is_rejected_with_its_line_and_reason() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    let content = [
        r#"{"type":"identify","messageId":"m1","userId":"ada","traits":{"plan":"gold"}}"#,
        "no JSON",
        r#"{"type":"track","messageId":"m2","userId":"ada","event":"Order Completed","timestamp":"2026-03-01T10:00:00Z"}"#,
        r#"{"type":"track","messageId":"m3","userId":"undefined","event":"a","timestamp":"2026-03-01T10:00:00Z"}"#,
        r#"{"type":"track","messageId":"m4","userId":"ada","event":"a","timestamp":"yesterday"}"#,
        "",
        r#"{"type":"track","messageId":"m\n","userId":"ada","event":"a","timestamp":"2026-03-01T10:00:00Z"}"#,
        r#"{"type":"track","messageId":"m5","anonymousId":"visitor","event":"a","timestamp":"2026-03-01T10:00:00Z"}"#,
    ];
    let args = arguments(&world, "people.ndjson", &content.join("\n"), FileFormat::SegmentNdjson);
    let summary = run_whole(&world, &args).await;
    assert_eq!((summary.accepted, summary.rejected), (3, 4));
    let rejects = fs::read_to_string(world.folder().join("rejects")).expect("written");
    let mut rejects: Vec<(u64, String)> = rejects
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .map(|entry| (entry["line"].as_u64().expect("a number"), entry["code"].as_str().expect("a code").to_owned()))
        .collect();
    rejects.sort();
    let expected =
        [(2, "malformed_record"), (4, "blocked_identifier"), (5, "invalid_date"), (7, "idempotency_key_invalid")];
    assert_eq!(rejects, expected.map(|(line, code)| (line, code.to_owned())));
    let again = client.accepted("interactions.record", Some("m2"), r#"{"guest_id":"ada","namespace":"user_id","kind":"order_completed","occurred_at":"2026-03-01T10:00:00Z","properties":{}}"#).await;
    assert!(again.replayed, "the message id is the command id");
    services.stop().await;
}
