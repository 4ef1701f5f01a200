//! Workers that share the log: killed, frozen, cut off, in whatever step, the rows are those of a plain fold and the proof holds.

pub(crate) mod settled;

use keepsake_tests::harness::{Client, Cutter, Processes, Service, Workers, World, eventually, table, until_folded};

use crate::faults::load::Load;
use settled::settled;

/// Commands that must be carried out between two faults.
const BETWEEN: u64 = 60;

async fn start(world: &World) -> (Processes, Client, Load) {
    let processes = Processes::start_only(world, &[Service::Command]).await;
    let client = Client::new(world, &processes.url(Service::Command), "demo").await;
    let load = Load::start(&client).await;
    (processes, client, load)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_workers_share_the_lanes_and_a_dead_ones_go_to_the_others() {
    let world = World::start().await;
    let (_command, client, load) = start(&world).await;
    let mut workers = Workers::start(&world, 4).await;
    workers.until_held_by(&world, 4).await;
    load.until_further(BETWEEN).await;
    workers.kill(1).await;
    workers.until_held_by(&world, 3).await;
    load.until_further(BETWEEN).await;
    workers.kill(0).await;
    workers.kill(3).await;
    workers.until_held_by(&world, 1).await;
    workers.start_one(0).await;
    workers.until_held_by(&world, 2).await;
    load.until_further(BETWEEN).await;
    settled(&world, &client, load, &workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_row_is_lost_or_doubled_when_workers_are_killed_in_any_step() {
    let world = World::start().await;
    let (_command, client, load) = start(&world).await;
    let mut workers = Workers::start(&world, 2).await;
    let mut admin = world.database.connect(&world.database.read_admin).await;
    for kill in 0..6 {
        let which = kill % workers.count();
        match kill % 3 {
            // With its rows written and the transaction not committed: another one waits for this table.
            0 => {
                let table = table(&admin, "command_log").await;
                let transaction = admin.transaction().await.expect("begins");
                transaction.batch_execute(&format!("LOCK TABLE {table} IN SHARE MODE")).await.expect("locks");
                eventually("a worker is in the middle of a transaction", async || {
                    let waits =
                        format!("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = '{table}'::regclass");
                    (transaction.query_one(&waits, &[]).await.expect("asks").get::<_, i64>(0) > 0).then_some(())
                })
                .await;
                workers.kill(which).await;
                transaction.commit().await.expect("ends");
            }
            // A moment after a commit.
            1 => {
                until_moved(&admin).await;
                workers.kill(which).await;
            }
            _ => {
                load.until_further(BETWEEN / 2).await;
                workers.kill(which).await;
            }
        }
        load.until_further(BETWEEN).await;
        workers.start_one(which).await;
    }
    settled(&world, &client, load, &workers).await;
}

async fn until_moved(admin: &tokio_postgres::Client) {
    let position = async || {
        let row = admin.query_one("SELECT sum(position)::bigint FROM keepsake.lane", &[]).await.expect("asks");
        row.get::<_, i64>(0)
    };
    let before = position().await;
    eventually("a lane moves", async || (position().await != before).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_row_is_lost_or_doubled_when_backends_are_terminated() {
    let world = World::start().await;
    let (_command, client, load) = start(&world).await;
    let workers = Workers::start(&world, 2).await;
    let admin = world.database.connect(&world.database.read_admin).await;
    let terminate = "
        SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND usename = 'keepsake_writer_login'";
    for _ in 0..5 {
        load.until_further(BETWEEN).await;
        eventually("somebody is connected and is no more", async || {
            (admin.query_one(terminate, &[]).await.expect("terminates").get::<_, i64>(0) > 0).then_some(())
        })
        .await;
    }
    settled(&world, &client, load, &workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_row_is_lost_or_doubled_when_postgres_is_killed() {
    let mut world = World::start_with_its_own_postgres().await;
    let (_command, client, load) = start(&world).await;
    let workers = Workers::start(&world, 2).await;
    for _ in 0..2 {
        load.until_further(BETWEEN).await;
        let postgres = world.postgres.as_mut().expect("its own");
        postgres.kill_9().await;
        postgres.restart().await.expect("Postgres starts again");
    }
    load.until_further(BETWEEN).await;
    settled(&world, &client, load, &workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_row_is_lost_or_doubled_when_the_answer_to_a_commit_is_lost() {
    let world = World::start().await;
    let (_command, client, load) = start(&world).await;
    let cutter = Cutter::start(&world.database.writer, 9).await;
    let settings = [("KEEPSAKE_DATABASE_URL", cutter.url(&world.database.writer))];
    let workers = Workers::start_with(&world, 2, &settings).await;
    cutter.begin();
    while cutter.cuts() < 8 {
        load.until_further(BETWEEN).await;
    }
    cutter.end();
    settled(&world, &client, load, &workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_slept_past_its_lease_writes_nothing_more() {
    let world = World::start().await;
    let (_command, client, load) = start(&world).await;
    let workers = Workers::start(&world, 2).await;
    for which in [0, 1] {
        workers.until_held_by(&world, 2).await;
        load.until_further(BETWEEN).await;
        workers.freeze(which);
        workers.until_held_by(&world, 1).await;
        load.until_further(BETWEEN).await;
        workers.thaw(which);
    }
    workers.until_held_by(&world, 2).await;
    settled(&world, &client, load, &workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_that_were_on_their_way_when_the_lease_ended_are_refused() {
    let world = World::start().await;
    let (_command, client, load) = start(&world).await;
    let cutter = Cutter::start(&world.database.writer, u64::MAX).await;
    let url = cutter.url(&world.database.writer);
    // Its errands would be held up as well.
    let settings = [("KEEPSAKE_DATABASE_URL", url), ("KEEPSAKE_ERRANDS", "0".to_owned())];
    let mut workers = Workers::start_with(&world, 1, &settings).await;
    workers.add(&world, &[]).await;
    workers.until_held_by(&world, 2).await;
    load.until_further(BETWEEN).await;
    cutter.hold();
    // Its look at the leases, and a batch of each of its two lanes.
    eventually("a batch of each lane is on its way", async || (cutter.held() >= 3).then_some(())).await;
    workers.until_held_by(&world, 1).await;
    load.until_further(BETWEEN).await;
    until_folded(&world, &client).await;
    cutter.let_go();
    workers.until_held_by(&world, 2).await;
    settled(&world, &client, load, &workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lanes_are_cut_anew_under_load() {
    let world = World::start().await;
    let (_command, client, load) = start(&world).await;
    let workers = Workers::start(&world, 2).await;
    let mut admin = world.database.connect(&world.database.read_admin).await;
    for lanes in [2, 7, 64, 1, 4] {
        schema::recut(&mut admin, lanes).await.expect("cuts");
        workers.until_held_by(&world, i64::from(lanes.min(2))).await;
        load.until_further(BETWEEN).await;
    }
    settled(&world, &client, load, &workers).await;
}
