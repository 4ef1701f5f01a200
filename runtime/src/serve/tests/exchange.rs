//! Requests that no server should answer, and clients that do not listen.

use super::*;

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_cut_off() {
    let server = Server::start(Limits { connections: 1, unread: SOON, ..Limits::default() }).await;
    let mut deaf = server.connect().await;
    deaf.send(&request("/large", "")).await;
    let (answer, mut read) = (server.ask(&request("/", "")).await, Vec::new());
    assert!(answer.ends_with("count 1"), "there was no room before the deaf one was gone: {answer}");
    let _broken_off = within(deaf.0.read_to_end(&mut read)).await;
    assert!(read.len() < LARGE_BYTES, "all of it came");
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_its_answer() {
    let server = Server::start(Limits { unread: SOON, ..Limits::default() }).await;
    let mut slow = server.connect().await;
    slow.send(&request("/large", "")).await;
    let (mut buffer, mut all) = (vec![0; 1 << 20], 0);
    loop {
        let read = within(slow.0.read(&mut buffer)).await.unwrap();
        if read == 0 {
            break;
        }
        all += read;
        tokio::task::yield_now().await;
    }
    assert!(all > LARGE_BYTES, "{all} bytes came");
}

#[tokio::test]
async fn a_client_that_goes_on_sending_reads_why_it_is_refused() {
    let server = Server::start(Limits::default()).await;
    let mut caller = server.connect().await;
    caller.send("POST /nowhere HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    let (mut answers, mut requests) = caller.0.into_split();
    let sending = tokio::spawn(async move {
        let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
        while requests.write_all(chunk.as_bytes()).await.is_ok() {}
    });
    let mut answer = vec![0; 12];
    within(answers.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 404");
    within(sending).await.unwrap();
}

#[tokio::test]
async fn a_body_with_two_lengths_is_refused_and_nothing_after_it_is_answered() {
    let server = Server::start(Limits::default()).await;
    let second = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for lengths in
        ["Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 5"]
    {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{lengths}\r\n\r\n0\r\n\r\n");
        let answer = server.ask(&(head + second)).await;
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("malformed_header"), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    }
}

#[tokio::test]
async fn chunked_bodies_are_taken_one_after_the_other() {
    let server = Server::start(Limits::default()).await;
    let mut caller = server.connect().await;
    for number in 0..100 {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        caller.send(&format!("{head}5\r\n{number:05}\r\n0\r\n\r\n")).await;
        let answer = caller.until(&format!("{number:05}")).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

#[tokio::test]
async fn who_does_not_name_the_host_once_is_refused() {
    let server = Server::start(Limits::default()).await;
    for hosts in ["", "Host: a\r\nHost: a\r\n", "Host: a b\r\n", "Host: a/b\r\n"] {
        let answer = server.ask(&format!("GET / HTTP/1.1\r\n{hosts}\r\nGET / HTTP/1.1\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("malformed_header"), "{hosts}: {answer}");
    }
}

#[tokio::test]
async fn who_speaks_http_2_is_not_answered() {
    let server = Server::start(Limits::default()).await;
    let answer = server.ask("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(!answer.contains("200"), "{answer}");
}
