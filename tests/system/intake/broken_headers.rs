//! Header blocks that break the client which reads them, published by somebody who writes to the socket himself.

use super::dead_letters::{cli, until_dead};
use keepsake_tests::harness::{Client, World, history, services};

/// Publishes a message as no client library would.
async fn publish_raw(world: &World, subject: &str, headers: &[u8]) {
    let complaints = world.nats.raw("test").await.publish_with_headers(subject, headers, b"{}").await;
    assert!(complaints.is_empty(), "{complaints:?}");
}

const BROKEN_HEADERS: [&[u8]; 3] =
    [b"NATS/1.0\r\nX: a\rb\r\n\r\n", b"NATS/1.0\r\nno colon\r\n\r\n", b"NATS/1.0\r\nX: \xff\r\n\r\n"];
/// What a server says of itself; a stream keeps the message without it.
const STATUS: &[u8] = b"NATS/1.0 100 Idle Heartbeat\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_that_break_a_client_stop_neither_the_intake_nor_the_door() {
    let world = World::start().await;
    let command = services::command(&world).await;
    let client = Client::new(&world, &command.url(), "demo").await;
    client.provision().await;
    publish_raw(&world, "cmdq.demo.guest.register", STATUS).await;
    publish_raw(&world, "cmd.demo.guest.register", STATUS).await;
    for (number, headers) in (0..).zip(BROKEN_HEADERS) {
        publish_raw(&world, "cmdq.demo.guest.register", headers).await;
        let body = format!(r#"{{"identifier":"guest-{number}"}}"#);
        client.durable("guest.register", &format!("after-{number}"), &body).await;
        publish_raw(&world, "cmd.demo.guest.register", headers).await;
        // What was on its way to a broken connection is asked for again.
        let told = history::insist(&client, "guest.register", &format!("asked-{number}"), "{}").await;
        assert_eq!(told.accepted.len(), 1);
    }
    for number in 0..BROKEN_HEADERS.len() {
        assert_eq!(client.verdict(&format!("after-{number}")).await["status"], "accepted");
    }
    until_dead(&client, BROKEN_HEADERS.len() as u64).await;
    assert!(cli(&world, &["list"]).await.contains("malformed_headers"));
    command.stop().await.expect("stops");
}
