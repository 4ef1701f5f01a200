//! One tenant never sees another's, and the database itself holds to it.

mod catalog;
mod fixture;
mod hostile;
mod roles;

use keepsake_tests::harness::{Client, InProcess, World};

#[tokio::test]
async fn a_tenant_sees_only_its_own() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let ours = Client::new(&world, &services.query.url(), "ours").await;
    let theirs = ours.of("theirs");
    ours.provision().await;
    theirs.provision().await;
    let in_ours = ours.register("ada").await;
    theirs.register("ada").await;
    let record = r#"{"guest_id":"ada","kind":"order.created","topic":"secret"}"#;
    let token = ours.accepted("interactions.record", None, record).await.consistency_token;

    let mine = ours.read("/users/ada", &token).await;
    let other = theirs.read("/users/ada", &token).await;
    assert_ne!(mine["guest_id"], other["guest_id"], "the same identifier names two people in two tenants");
    assert_eq!((&mine["interaction_count"], &other["interaction_count"]), (&1.into(), &0.into()));

    let foreign = format!("/users/{}", in_ours.guest_id);
    let absent = "/users/prf_00000000000000000000000000000000";
    let ((foreign, a), (absent, b)) = (theirs.get(&foreign, &token).await, theirs.get(absent, &token).await);
    assert_eq!(
        (foreign, &a["code"], &a["detail"]),
        (absent, &b["code"], &b["detail"]),
        "foreign and absent look alike"
    );
    assert_eq!(theirs.get("/api/v1/topics/secret/summary", &token).await.1["code"], "topic_not_found");
    let command = format!(r#"{{"guest_id":"{}","kind":"order.created"}}"#, in_ours.guest_id);
    assert_eq!(theirs.refused("interactions.record", None, &command).await, "guest_not_found");
    services.stop().await;
}

#[tokio::test]
async fn row_level_security_covers_every_table() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    let token = client.register("ada").await.consistency_token;
    client.read("/users/ada", &token).await;

    let admin = world.database.connect(&world.database.read_admin).await;
    assert_eq!(schema::catalog::faults(&admin).await.expect("asks"), Vec::<String>::new());
    let reader = world.database.connect(&world.database.reader).await;
    let count = "SELECT count(*) FROM read.profile";
    let seen: i64 = reader.query_one(count, &[]).await.expect("asks").get(0);
    assert_eq!(seen, 0, "without a tenant the reader sees nothing");
    reader.batch_execute("BEGIN; SELECT set_config('keepsake.tenant', 'demo', true)").await.expect("sets");
    let seen: i64 = reader.query_one(count, &[]).await.expect("asks").get(0);
    assert_eq!(seen, 1);
    assert!(reader.batch_execute("DELETE FROM read.profile").await.is_err(), "the reader only reads");
    let command_side = world.database.connect(&world.database.command_reader).await;
    assert!(command_side.query_one(count, &[]).await.is_err(), "the command side reads the command log alone");
    let remembered = "SELECT count(*) FROM read.command_log";
    assert_eq!(command_side.query_one(remembered, &[]).await.expect("asks").get::<_, i64>(0), 2);
    assert!(command_side.batch_execute("DELETE FROM read.command_log").await.is_err(), "and only reads it");
    services.stop().await;
}
