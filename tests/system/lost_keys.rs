//! A key that is gone is an alarm, and is never taken for an erasure.

use keepsake_tests::harness::{Client, World, eventually, services};
use runtime::http_client::HttpClient;

const TAKE: &str = "CREATE TABLE vault.taken AS SELECT * FROM vault.guest_key WHERE guest_id = $1";
const DELETE: &str = "DELETE FROM vault.guest_key WHERE guest_id = $1";
const GIVE_BACK: &str = "INSERT INTO vault.guest_key SELECT * FROM vault.taken";

fn record(guest: &str) -> String {
    format!(r#"{{"guest_id":"{guest}","kind":"product.viewed"}}"#)
}

/// Whether the service says it is ready.
async fn is_ready(url: &str) -> bool {
    let answer = HttpClient::new(std::time::Duration::from_secs(5)).get(&format!("{url}/healthz/ready"), &[]).await;
    answer.is_ok_and(|answer| answer.status.is_success())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_key_halts_its_guest_and_every_registration_until_it_is_back() {
    let world = World::start().await;
    let first = services::command(&world).await;
    let client = Client::new(&world, &first.url(), "demo").await;
    client.provision().await;
    let ada = client.register("ada").await;
    client.register("bo").await;
    first.stop().await.expect("stops");

    let vault = world.database.connect(&world.database.vault_admin()).await;
    let ada_id = ada.guest_id.as_str();
    vault.execute(&TAKE.replace("$1", &format!("'{ada_id}'")), &[]).await.expect("copies");
    assert_eq!(vault.execute(DELETE, &[&ada_id]).await.expect("deletes"), 1);

    let second = services::command(&world).await;
    assert_eq!(client.refused("interactions.record", None, &record("ada")).await, "key_missing");
    assert_eq!(client.refused("guest.register", None, r#"{"identifier":"cy"}"#).await, "key_missing");
    assert_eq!(client.accepted("interactions.record", None, &record("bo")).await.version, 1);
    assert!(!is_ready(&second.url()).await, "the alarm shows");

    vault.execute(GIVE_BACK, &[]).await.expect("gives back");
    assert_eq!(client.accepted("interactions.record", None, &record("ada")).await.version, 1, "nothing was lost");
    client.register("cy").await;
    eventually("the service is ready again", async || is_ready(&second.url()).await.then_some(())).await;
    second.stop().await.expect("stops");
}
