//! Timers: each becomes one command, however many processes die meanwhile, and none before its time by the database's clock.

use chrono::{DateTime, TimeDelta, Utc};
use event_log::intake;
use futures_util::future::join_all;
use projection_workers::due::{self, DueCommand, Timer};
use prost::Message as _;
use proto::interactions::InteractionRecorded;
use proto::subject::{LogSubject, Owner, Tenant};
use serde_json::json;
use tokio_postgres::Client as Postgres;

use keepsake_tests::harness::log::{self, Entry};
use keepsake_tests::harness::{Client, InProcess, Workers, World, eventually, eventually_within, services};

fn tenant() -> Tenant {
    "demo".parse().expect("a token")
}

/// Records an interaction of the guest that says when it was due.
fn timer(guest: &str, timer_id: &str, due_at: DateTime<Utc>) -> Timer {
    let body = json!({"guest_id": guest, "kind": "timer.fired", "occurred_at": due_at.to_rfc3339()});
    let body = body.as_object().expect("an object").clone();
    let subject = LogSubject::new(tenant(), Owner::parse_guest(guest).expect("an id of ours"));
    let command = DueCommand { facet: "interactions", command: "record", body };
    Timer { subject, timer_id: timer_id.to_owned(), cause: String::new(), due_at, command }
}

async fn writer(world: &World) -> Postgres {
    world.database.connect(&world.database.writer).await
}

async fn now(database: &Postgres) -> DateTime<Utc> {
    database.query_one("SELECT clock_timestamp()", &[]).await.expect("asks").get(0)
}

async fn waiting(database: &Postgres) -> i64 {
    database.query_one("SELECT count(*) FROM keepsake.due", &[]).await.expect("asks").get(0)
}

/// Of every timer that was carried out: when it was due, and when the command was decided.
fn fired(entries: &[Entry]) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
    let instant = |at: Option<prost_types::Timestamp>| {
        let at = at.expect("a time");
        DateTime::from_timestamp(at.seconds, at.nanos.cast_unsigned()).expect("in range")
    };
    let of = |entry: &Entry| {
        let event = entry.commit.events.iter().find(|event| event.r#type == "InteractionRecorded")?;
        let recorded = InteractionRecorded::decode(&*event.open).expect("an event");
        Some((instant(recorded.occurred_at), instant(entry.commit.recorded_at)))
    };
    entries.iter().filter_map(of).collect()
}

/// Waits until no timer is due, and no command of one waits.
async fn until_all_are_carried_out(client: &Client, database: &Postgres) -> Vec<Entry> {
    eventually_within(std::time::Duration::from_mins(3), "every timer is carried out", async || {
        let waits = waiting(database).await > 0 || intake::info(&client.nats).await.expect("an intake").waiting > 0;
        (!waits).then_some(())
    })
    .await;
    log::read(&client.nats).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_timers_of_one_second_fire_once_and_never_early_while_workers_are_killed() {
    const TIMERS: usize = 10_000;
    const GUESTS: usize = 100;
    let world = World::start().await;
    let command = services::command(&world).await;
    let client = Client::new(&world, &command.url(), "demo").await;
    client.provision().await;
    let guests =
        join_all((0..GUESTS).map(async |guest| client.register(&format!("guest-{guest}")).await.guest_id)).await;
    let mut workers = Workers::start(&world, 1).await;
    let database = writer(&world).await;
    let first = now(&database).await + TimeDelta::seconds(2);
    let timers: Vec<_> = (0..TIMERS)
        .map(|index| {
            let due_at = first + TimeDelta::microseconds(100 * i64::try_from(index).expect("small"));
            timer(&guests[index % GUESTS], &format!("timer-{index}"), due_at)
        })
        .collect();
    due::schedule(&database, &timers).await.expect("schedules");
    eventually("some have fired", async || (waiting(&database).await < 10_000).then_some(())).await;
    workers.kill(0).await;
    assert!(waiting(&database).await > 0, "some are left to another");
    workers.start_one(0).await;

    let entries = until_all_are_carried_out(&client, &database).await;
    let mut fired = fired(&entries);
    fired.sort_unstable();
    let due: Vec<_> = fired.iter().map(|(due_at, _)| *due_at).collect();
    assert!(due == timers.iter().map(|timer| timer.due_at).collect::<Vec<_>>(), "{} of {TIMERS} fired", due.len());
    let early: Vec<_> = fired.iter().filter(|(due_at, carried_out)| carried_out < due_at).collect();
    assert!(early.is_empty(), "{} came early: {:?}", early.len(), early.first());
    command.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timer_can_be_put_off_and_cancelled_and_fires_once_for_the_same_time() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    let (ada, bob) = (client.register("ada").await.guest_id, client.register("bob").await.guest_id);
    let database = writer(&world).await;
    let (now, later) = (now(&database).await, TimeDelta::hours(1));
    let soon = now + TimeDelta::milliseconds(300);
    let far = [timer(&ada, "a", now + later), timer(&ada, "b", now + later), timer(&bob, "c", now + later)];
    due::schedule(&database, &far).await.expect("schedules");
    due::schedule(&database, &[timer(&ada, "a", soon), timer(&ada, "a", soon)]).await.expect("puts off");
    due::schedule(&database, &[timer(&ada, "d", soon)]).await.expect("schedules");
    due::cancel(&database, &[(&tenant(), "d"), (&tenant(), "nobody's")]).await.expect("cancels");
    let bobs = LogSubject::new(tenant(), Owner::parse_guest(&bob).expect("an id"));
    assert_eq!(due::cancel_all(&database, &bobs).await.expect("cancels"), 1);

    let only_b = "SELECT string_agg(timer_id, ' ') FROM keepsake.due";
    let left = async || database.query_one(only_b, &[]).await.expect("asks").get::<_, Option<String>>(0);
    eventually("what is due has fired", async || (left().await.as_deref() == Some("b")).then_some(())).await;
    due::schedule(&database, &[timer(&ada, "a", soon)]).await.expect("schedules");
    eventually("and again", async || (left().await.as_deref() == Some("b")).then_some(())).await;
    due::cancel_all(&database, &LogSubject { owner: Owner::parse_guest(&ada).expect("an id"), ..bobs })
        .await
        .expect("cancels");
    let fired = fired(&until_all_are_carried_out(&client, &database).await);
    assert_eq!(fired.iter().map(|(due_at, _)| *due_at).collect::<Vec<_>>(), [soon]);
    services.stop().await;
}

/// How often the table was looked at, and how often a worker has renewed its lease.
async fn looks_and_renewals(database: &Postgres) -> (i64, i64) {
    let of = async |what: &str, table: &str| -> i64 {
        let sql = format!(
            "SELECT ({what})::bigint FROM pg_stat_user_tables WHERE schemaname = 'keepsake' AND relname = '{table}'"
        );
        database.query_one(&sql, &[]).await.expect("asks").get(0)
    };
    (of("seq_scan + coalesce(idx_scan, 0)", "due").await, of("n_tup_ins + n_tup_upd", "worker").await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_timer_waits_nobody_asks_for_the_next_all_the_time() {
    let world = World::start().await;
    // Without a sampler, a worker goes on all the same.
    let workers = Workers::start_with(&world, 1, &[("KEEPSAKE_SAMPLE_PERCENT", "0".to_owned())]).await;
    workers.until_held_by(&world, 1).await;
    let database = world.database.connect(&world.database.read_admin).await;
    let (looked, renewed) = looks_and_renewals(&database).await;
    let (looks, renewals) = eventually("the lease is renewed a few times", async || {
        let (looks, renewals) = looks_and_renewals(&database).await;
        (renewals >= renewed + 5).then_some((looks - looked, renewals - renewed))
    })
    .await;
    assert!(looks < renewals * 20, "{looks} looks at an empty table in {renewals} renewals");
}
