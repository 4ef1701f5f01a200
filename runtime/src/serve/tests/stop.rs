//! What a stop does to connections.

use super::*;

#[tokio::test]
async fn a_stop_closes_idle_connections_and_finishes_what_is_under_way() {
    let server = Server::start(Limits { drain: DEADLINE * 2, ..Limits::default() }).await;
    let (mut idle, mut busy) = (server.connect().await, server.connect().await);
    idle.count("count 1").await;
    busy.send("GET /held HTTP/1.1\r\nHost: a\r\n\r\n").await;
    server.is_holding().await;

    server.ending.stop.cancel();
    assert_eq!(idle.rest().await, "");
    server.released.add_permits(1);
    let answer = busy.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("let go"), "{answer}");
    within(server.serving).await.unwrap();
}

#[tokio::test]
async fn a_stop_waits_for_no_connection_longer_than_the_drain_limit() {
    let server = Server::start(Limits { drain: SOON, ..Limits::default() }).await;
    let mut busy = server.connect().await;
    busy.send("GET /held HTTP/1.1\r\nHost: a\r\n\r\n").await;
    server.is_holding().await;

    server.ending.stop.cancel();
    within(server.serving).await.unwrap();
    assert_eq!(busy.rest().await, "");
}

#[tokio::test]
async fn a_stopped_server_refuses_connections() {
    let server = Server::start(Limits::default()).await;
    server.ending.stop.cancel();
    within(server.serving).await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn while_the_stop_is_announced_requests_are_answered_and_their_connections_closed() {
    let server = Server::start(Limits::default()).await;
    let mut kept = server.connect().await;
    kept.count("count 1").await;
    server.ending.announced.cancel();
    kept.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = kept.rest().await;
    assert!(answer.contains("connection: close") && answer.ends_with("count 2"), "{answer}");
    let answer = server.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.ends_with("count 3"), "{answer}");
}
