//! What can never be carried out is kept with its reason, and `keepsake intake` deals with it.

use async_nats::jetstream;
use event_log::intake;
use serde_json::json;
use tokio::process::Command;

use super::until_empty;
use keepsake_tests::harness::{Client, InProcess, Service, World, eventually, keepsake};

/// `keepsake intake …` and what it says.
pub(super) async fn cli(world: &World, args: &[&str]) -> String {
    let output =
        Command::new(keepsake()).arg("intake").args(args).envs(world.environment(Service::Projections)).output().await;
    let output = output.expect("runs");
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    assert!(output.status.success(), "{args:?}: {said}");
    said
}

pub(super) async fn until_dead(client: &Client, count: u64) {
    eventually("the dead letters are there", async || {
        (intake::info(&client.nats).await.expect("the intake").dead == count).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_never_be_carried_out_is_kept_until_somebody_sends_it_again_or_drops_it() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    let late = client.of("late");
    late.durable("guest.register", "too-early", r#"{"identifier":"ada"}"#).await;
    client.durable("guest.register", "broken", "{").await;
    client.durable("guest.invent", "unknown", "{}").await;
    client.durable("interactions.record", "refused", r#"{"guest_id":"nobody","kind":"a"}"#).await;
    client.durable("guest.register", "good", r#"{"identifier":"bob"}"#).await;
    let nameless = jetstream::new(client.nats.clone());
    let sent = nameless.publish("cmdq.demo.guest.register", r#"{"identifier":"cyd"}"#.into()).await;
    sent.expect("publishes").await.expect("is acknowledged");
    until_dead(&client, 3).await;
    until_empty(&client).await;

    let listed = cli(&world, &["list"]).await;
    for word in ["too-early", "tenant_unknown", "broken", "malformed_json", "unknown_command", "dead letters: 3"] {
        assert!(listed.contains(word), "{word} is missing: {listed}");
    }
    assert_eq!(client.verdict("good").await["status"], "accepted");
    let end = event_log::stream::info(&client.nats).await.expect("the log").last_position;
    client.read("/users/cyd", &proto::token::write(end)).await;
    assert_eq!(client.verdict("broken").await["problem"]["code"], "malformed_json");
    let refused = client.verdict("refused").await;
    assert_eq!(refused["problem"]["code"], "guest_not_found", "the rules' word is no dead letter");

    late.provision().await;
    assert!(cli(&world, &["retry", "--all"]).await.contains("sent again: 3"));
    until_empty(&client).await;
    assert_eq!(late.verdict("too-early").await["status"], "accepted");
    until_dead(&client, 2).await;
    assert!(cli(&world, &["drop", "--all"]).await.contains("dropped: 2"));
    until_dead(&client, 0).await;
    services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_id_used_for_another_command_keeps_its_verdict() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    client.durable("guest.register", "mine", r#"{"identifier":"ada"}"#).await;
    client.durable("guest.register", "mine", r#"{"identifier":"ada","attributes":{"a":1}}"#).await;
    until_dead(&client, 1).await;
    assert!(cli(&world, &["list"]).await.contains("idempotency_key_reused"));
    assert_eq!(client.verdict("mine").await["status"], json!("accepted"));
    services.stop().await;
}
