//! What no client library sends: heads that are too much or mean two things, and bodies that do not end.

use keepsake_tests::harness::{RawAnswer, RawHttp};

use super::catalogue::{Door, INTERACTIONS, Scene};

const DOORS: [Door; 2] = [Door::Origin, Door::Command];

/// A request head of somebody who may, with these lines besides.
fn head(scene: &Scene, request_line: &str, lines: &str) -> String {
    let bearer = scene.world.bearer("demo");
    format!("{request_line} HTTP/1.1\r\nAuthorization: {bearer}\r\nX-Tenant-ID: demo\r\n{lines}\r\n")
}

/// The answer to what is sent on a connection of its own, and whether the connection is closed then.
async fn told(scene: &Scene, door: Door, bytes: &[u8]) -> (Option<RawAnswer>, bool) {
    let mut connection = RawHttp::connect(&scene.url(door)).await;
    let answer = connection.ask(bytes).await;
    let is_closed = connection.answer().await.is_none();
    (answer, is_closed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_is_none_is_refused_and_its_connection_closed() {
    let scene = Scene::start().await;
    let before = scene.position().await;
    let post = format!("POST {INTERACTIONS}");
    let json = "Content-Type: application/json\r\n";
    let smuggled = "\r\n0\r\n\r\nGET /users/ada HTTP/1.1\r\n";
    let rows = [
        (
            "33 KB of headers",
            head(&scene, "GET /users/ada", &format!("Host: a\r\nX: {}\r\n", "x".repeat(33 << 10))),
            431,
            None,
        ),
        ("200 headers", head(&scene, "GET /users/ada", &format!("Host: a\r\n{}", "X: x\r\n".repeat(200))), 431, None),
        ("no host", head(&scene, "GET /users/ada", ""), 400, Some("malformed_header")),
        ("two hosts", head(&scene, "GET /users/ada", "Host: a\r\nHost: b\r\n"), 400, Some("malformed_header")),
        ("a host that is none", head(&scene, "GET /users/ada", "Host: a/b\r\n"), 400, Some("malformed_header")),
        (
            "two lengths",
            head(&scene, &post, &format!("Host: a\r\n{json}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"))
                + smuggled,
            400,
            Some("malformed_header"),
        ),
        (
            "two lengths that differ",
            head(&scene, &post, &format!("Host: a\r\n{json}Content-Length: 2\r\nContent-Length: 3\r\n")),
            400,
            None,
        ),
        ("a length that is none", head(&scene, &post, &format!("Host: a\r\n{json}Content-Length: -1\r\n")), 400, None),
        (
            "a body in chunks, and gzip after",
            head(&scene, &post, &format!("Host: a\r\n{json}Transfer-Encoding: chunked, gzip\r\n")),
            400,
            None,
        ),
        ("a blank in a path", head(&scene, "GET /users/a b", "Host: a\r\n"), 400, None),
        ("a header with a blank in its name", head(&scene, "GET /users/ada", "Host: a\r\nX Y: z\r\n"), 400, None),
        ("NUL in a header", head(&scene, "GET /users/ada", "Host: a\r\nX: \0\r\n"), 400, None),
        ("no HTTP", "\x16\x03\x01 hello\r\n\r\n".to_owned(), 400, None),
    ];
    for door in DOORS {
        for (name, bytes, status, code) in &rows {
            let (answer, is_closed) = told(&scene, door, bytes.as_bytes()).await;
            let answer = answer.unwrap_or_else(|| panic!("{name} ({door:?}): no answer"));
            assert_eq!((answer.status, answer.code().as_deref()), (*status, *code), "{name} ({door:?})");
            assert!(is_closed, "{name} ({door:?}): the connection is open");
        }
        let (answer, is_closed) = told(&scene, door, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        assert!(is_closed && answer.is_none_or(|answer| answer.status == 400), "HTTP/2 ({door:?})");
    }
    assert_eq!(scene.position().await, before);
    scene.services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_without_end_is_refused_at_its_limit() {
    let scene = Scene::start().await;
    let before = scene.position().await;
    let lines = "Host: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n";
    let request = head(&scene, &format!("POST {INTERACTIONS}"), lines);
    let chunk = format!("4000\r\n{}\r\n", " ".repeat(0x4000));
    for door in DOORS {
        let mut connection = RawHttp::connect(&scene.url(door)).await;
        connection.send(request.as_bytes()).await;
        let answer = connection.send_for_ever(chunk.as_bytes()).await.expect("an answer");
        assert_eq!((answer.status, answer.code().as_deref()), (413, Some("payload_too_large")), "{door:?}");
    }
    assert_eq!(scene.position().await, before);
    scene.services.stop().await;
}

/// Whoever is refused for its head alone, and sends on, hears so at the one origin, too: not that nobody knows what became of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_refused_before_its_body_is_read_hears_why() {
    let scene = Scene::start().await;
    let lines = "Host: a\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n";
    let request = head(&scene, &format!("POST {INTERACTIONS}"), lines);
    let chunk = format!("400\r\n{}\r\n", " ".repeat(0x400));
    for _ in 0..50 {
        let mut connection = RawHttp::connect(&scene.url(Door::Origin)).await;
        connection.send(request.as_bytes()).await;
        let answer = connection.send_for_ever(chunk.as_bytes()).await.expect("an answer");
        let code = answer.code();
        assert!(["unsupported_media_type", "payload_too_large"].map(Some).contains(&code.as_deref()), "{code:?}");
    }
    scene.services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_trickles_ends_in_408_at_either_door() {
    let scene = Scene::start().await;
    let before = scene.position().await;
    let lines = "Host: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n";
    let request = head(&scene, &format!("POST {INTERACTIONS}"), lines) + r#"{"kind""#;
    let trickle = async |door| {
        let (answer, is_closed) = told(&scene, door, request.as_bytes()).await;
        let answer = answer.expect("an answer");
        assert_eq!((answer.status, answer.code().as_deref()), (408, Some("body_timeout")), "{door:?}");
        assert!(is_closed, "{door:?}: the connection is open");
    };
    tokio::join!(trickle(Door::Origin), trickle(Door::Command));
    assert_eq!(scene.position().await, before);
    scene.services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_asks_for_a_head_alone_gets_no_body_and_the_same_head() {
    let scene = Scene::start().await;
    let mut connection = RawHttp::connect(&scene.url(Door::Origin)).await;
    let whole = connection.ask(head(&scene, "GET /users/ada", "Host: a\r\n").as_bytes()).await.expect("an answer");
    let lines = "Host: a\r\nX-HTTP-Method-Override: DELETE\r\n";
    let overridden = connection.ask(head(&scene, "GET /users/ada", lines).as_bytes()).await.expect("an answer");
    connection.send(head(&scene, "HEAD /users/ada", "Host: a\r\n").as_bytes()).await;
    let alone = connection.head().await.expect("an answer");
    assert!(connection.lives().await);
    for name in ["content-length", "content-type", "etag", "x-as-of"] {
        assert!(whole.header(name).is_some(), "{name}");
        assert_eq!(whole.header(name), alone.header(name), "{name}");
    }
    assert_eq!((whole.status, alone.status, overridden.status), (200, 200, 200));
    assert_eq!(whole.body, overridden.body);
    scene.services.stop().await;
}
