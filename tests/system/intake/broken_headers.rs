//! Header blocks that break the client which reads them, published by somebody who writes to the socket himself.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::dead_letters::{cli, until_dead};
use keepsake_tests::harness::{Client, World, history, services};

/// Publishes a message as no client library would.
async fn publish_raw(world: &World, subject: &str, headers: &[u8]) {
    let url = world.nats.url();
    let mut nats = TcpStream::connect(url.trim_start_matches("nats://")).await.expect("connects");
    let body = b"{}";
    let head = format!(
        "CONNECT {{\"headers\":true,\"verbose\":false}}\r\nHPUB {subject} {} {}\r\n",
        headers.len(),
        headers.len() + 2
    );
    let message = [head.as_bytes(), headers, body, b"\r\nPING\r\n"].concat();
    nats.write_all(&message).await.expect("writes");
    let mut said = Vec::new();
    while !said.ends_with(b"PONG\r\n") {
        assert!(nats.read_buf(&mut said).await.expect("reads") > 0, "{}", String::from_utf8_lossy(&said));
    }
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
