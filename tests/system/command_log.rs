//! A command of long ago is answered as it was then: the owner's state knows that it may be old, the command log where it is.

use futures_util::{StreamExt as _, stream};
use keepsake_tests::harness::{Client, InProcess, World, rewind, services, table, until_folded};
use proto::Reply;
use tokio_postgres::Client as Postgres;

/// More than an owner's state lists by position.
const COMMANDS: usize = 300;
const RECORD: &str = r#"{"guest_id":"ada","kind":"product.viewed","topic":"jazz"}"#;

async fn record(client: &Client, number: usize) -> Reply {
    client.accepted("interactions.record", Some(&format!("c-{number}")), RECORD).await
}

/// Ada's commands, and the administrator of the read models, which hold them all.
async fn a_long_past(world: &World, client: &Client) -> (Vec<Reply>, Postgres) {
    client.provision().await;
    client.register("ada").await;
    let replies: Vec<Reply> = stream::iter(0..COMMANDS).then(|number| record(client, number)).collect().await;
    client.read("/users/ada", &replies[COMMANDS - 1].consistency_token).await;
    (replies, world.database.connect(&world.database.read_admin).await)
}

fn as_it_was(reply: &Reply) -> Reply {
    Reply { replayed: true, ..reply.clone() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_command_log_only_commands_that_may_be_old_wait() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    let (replies, admin) = a_long_past(&world, &client).await;
    admin.batch_execute("REVOKE SELECT ON read.command_log FROM keepsake_command_reader").await.expect("revokes");
    assert_eq!(client.refused("interactions.record", Some("c-0"), RECORD).await, "idempotency_unavailable");
    assert_eq!(
        record(&client, COMMANDS - 1).await,
        as_it_was(&replies[COMMANDS - 1]),
        "a recent one is known by heart"
    );
    assert_eq!(record(&client, COMMANDS).await.version, COMMANDS as u64 + 1, "a new one is nobody's repetition");
    admin.batch_execute("GRANT SELECT ON read.command_log TO keepsake_command_reader").await.expect("grants");
    assert_eq!(record(&client, 0).await, as_it_was(&replies[0]));
    services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_log_of_another_log_is_not_believed() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    let (replies, admin) = a_long_past(&world, &client).await;
    services.stop().await;
    let command = services::command(&world).await;
    let ours: String = admin.query_one("SELECT log_id FROM keepsake.log", &[]).await.expect("a log").get(0);
    let emptied = "DELETE FROM read.command_log; UPDATE keepsake.log SET log_id = 'another'";
    admin.batch_execute(emptied).await.expect("updates");
    assert_eq!(client.refused("interactions.record", Some("c-0"), RECORD).await, "idempotency_unavailable");
    rewind::rewind(&admin, &["command_log"], 0).await;
    admin.execute("UPDATE keepsake.log SET log_id = $1", &[&ours]).await.expect("updates");
    assert_eq!(record(&client, 0).await, as_it_was(&replies[0]), "found in the log");
    command.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_command_of_the_same_hash_costs_a_look_and_never_a_wrong_answer() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    let (replies, admin) = a_long_past(&world, &client).await;
    let collide = "
        INSERT INTO read.command_log (tenant, owner, command, position, pp)
        SELECT tenant, owner, $1, position, pp FROM read.command_log WHERE position IN ($2, $3)";
    let (first, others) = (schema::command_hash("c-1").cast_signed(), [&replies[2], &replies[0]]);
    let others = others.map(|other| other.position.cast_signed());
    assert_eq!(admin.execute(collide, &[&first, &others[0], &others[1]]).await.expect("inserts"), 2);
    assert_eq!(record(&client, 1).await, as_it_was(&replies[1]));
    let other = RECORD.replace("jazz", "blues");
    assert_eq!(client.refused("interactions.record", Some("c-1"), &other).await, "idempotency_key_reused");
    services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_command_log_has_not_folded_yet_is_found_in_the_log() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    let (replies, admin) = a_long_past(&world, &client).await;
    services.stop().await;
    let folded_to = replies[20].position.cast_signed();
    admin.execute("DELETE FROM read.command_log WHERE position > $1", &[&folded_to]).await.expect("deletes");
    rewind::rewind(&admin, &["command_log"], replies[20].position).await;
    let command = services::command(&world).await;
    for number in [0, 20, 21, 40] {
        assert_eq!(record(&client, number).await, as_it_was(&replies[number]), "{number}");
    }
    command.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_whose_commit_is_parked_is_answered_as_it_was_all_the_same() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    let admin = world.database.connect(&world.database.read_admin).await;
    let refused = schema::command_hash("c-0").cast_signed();
    let refuse = format!("ADD CONSTRAINT refused CHECK (command <> {refused}) NOT VALID");
    let refuse = format!("ALTER TABLE {} {refuse}", table(&admin, "command_log").await);
    admin.batch_execute(&refuse).await.expect("alters");
    let (replies, admin) = a_long_past(&world, &client).await;
    until_folded(&world, &client).await;
    let parked = "SELECT position FROM keepsake.parked_commit WHERE projection = 'command_log'";
    assert_eq!(admin.query(parked, &[]).await.expect("asks").len(), COMMANDS);
    services.command.stop().await.expect("stops");
    let command = services::command(&world).await;
    for number in [0, 1, COMMANDS - 1] {
        assert_eq!(record(&client, number).await, as_it_was(&replies[number]));
    }
    command.stop().await.expect("stops");
}
