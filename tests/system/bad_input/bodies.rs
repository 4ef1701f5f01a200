//! Bodies: what is no JSON, no command, too much, or in another form.

use super::catalogue::{After, INTERACTIONS, Row, Scene};

const MAX_BODY_BYTES: usize = 256 * 1024;

fn refused(name: &str, body: impl Into<Vec<u8>>, status: u16, code: &'static str) -> Row {
    Row::post(INTERACTIONS, body).is(name, status, code)
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// `{"kind":"a","properties":…}`
fn properties(json: &str) -> String {
    format!(r#"{{"kind":"a","properties":{json}}}"#)
}

fn nested(depth: usize) -> String {
    format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth))
}

fn malformed() -> Vec<Row> {
    let good = r#"{"kind":"a"}"#;
    vec![
        refused("no body", "", 400, "malformed_json"),
        refused("half an object", "{", 400, "malformed_json"),
        refused("two documents", "{}{}", 400, "malformed_json"),
        refused("a byte order mark", format!("\u{feff}{good}"), 400, "malformed_json"),
        refused("UTF-16", utf16(good), 400, "malformed_json"),
        refused("invalid UTF-8", [&br#"{"kind":"a"#[..], &[0xff], br#""}"#].concat(), 400, "malformed_json"),
        refused("a lone surrogate", r#"{"kind":"\ud800"}"#, 400, "malformed_json"),
        refused("NaN", properties(r#"{"a":NaN}"#), 400, "malformed_json"),
        refused("a comment", "{} // none", 400, "malformed_json"),
        refused("a trailing comma", r#"{"kind":"a",}"#, 400, "malformed_json"),
        refused("a key twice", r#"{"kind":"a","kind":"b"}"#, 400, "duplicate_key"),
        refused("a key twice, once escaped", r#"{"kind":"a","k\u0069nd":"b"}"#, 400, "duplicate_key"),
        refused("a nested key twice", properties(r#"{"a":{"b":1,"b":2}}"#), 400, "duplicate_key"),
        refused("33 levels", properties(&nested(32)), 400, "json_too_deep"),
        refused("100,000 brackets", "[".repeat(100_000), 400, "json_too_deep"),
        refused("a number beyond all", properties(r#"{"a":1e999}"#), 400, "number_out_of_range"),
        refused("a number below all", properties(r#"{"a":-1e999}"#), 400, "number_out_of_range"),
    ]
}

fn invalid() -> Vec<Row> {
    let keys: Vec<String> = (0..1_001).map(|key| format!(r#""k{key}":1"#)).collect();
    let items = vec!["1"; 1_001];
    let objects = ["[]", "null", r#""x""#, "42", "true"]
        .map(|body| refused(&format!("{body} for an object"), body, 422, "validation_failed"));
    let unknown = [r#""is_admin":true"#, r#""tenant_id":"b""#, r#""version":9"#]
        .map(|field| refused(field, format!(r#"{{"kind":"a",{field}}}"#), 422, "unknown_field"));
    let mut rows = vec![
        refused("NUL in a string", properties(r#"{"a":"\u0000"}"#), 422, "invalid_character"),
        refused("NUL in a key", properties(r#"{"\u0000":1}"#), 422, "invalid_character"),
        refused("1,001 keys", properties(&format!("{{{}}}", keys.join(","))), 422, "too_many_items"),
        refused("1,001 items", properties(&format!(r#"{{"a":[{}]}}"#, items.join(","))), 422, "too_many_items"),
        refused("a long string", properties(&format!(r#"{{"a":"{}"}}"#, "x".repeat(40_000))), 422, "too_long"),
        refused("a long topic", format!(r#"{{"kind":"a","topic":"{}"}}"#, "x".repeat(6_000)), 422, "too_long"),
        refused("a control character in a topic", r#"{"kind":"a","topic":"a\u0007"}"#, 422, "invalid_character"),
        refused("no kind", "{}", 422, "validation_failed"),
        refused("a kind that is a number", r#"{"kind":7}"#, 422, "validation_failed"),
        refused("a kind that is none", r#"{"kind":"Not A Kind"}"#, 422, "validation_failed"),
        refused("properties that are no object", properties("[1]"), 422, "validation_failed"),
        refused("another guest than the path's", r#"{"kind":"a","guest_id":"bob"}"#, 422, "validation_failed"),
    ];
    rows.extend(objects);
    rows.extend(unknown);
    let dates = [
        "yesterday",
        "0000-00-00",
        "0000-00-00T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "300000-01-01T00:00:00Z",
        "+300000-01-01T00:00:00Z",
        "2016-12-31T23:59:60Z",
        "2026-03-01T10:00:00+25:00",
        "2026-03-01T10:00:00",
    ];
    let date = |at: &&str| refused(at, format!(r#"{{"kind":"a","occurred_at":"{at}"}}"#), 422, "invalid_date");
    rows.extend(dates.iter().map(date));
    rows
}

fn settings() -> Vec<Row> {
    let settings = |value: &str, code| {
        let name = format!("requests_per_s of {value}");
        Row::put("/api/v1/tenants/demo/settings", &format!(r#"{{"requests_per_s":{value}}}"#)).is(name, 422, code)
    };
    let none = ["1.5", "1.0", "-1", "-9223372036854775809", "9007199254740993", "9223372036854775808", r#""5""#];
    let mut rows: Vec<Row> = none.iter().map(|value| settings(value, "validation_failed")).collect();
    rows.push(settings("1000001", "number_out_of_range"));
    rows
}

fn events() -> Vec<Row> {
    let event = |name, body: &str, status, code| Row::post("/event", body).is(name, status, code);
    vec![
        event("an event at no time", r#"{"userId":"ada","eventName":"a"}"#, 400, "event_time_required"),
        event("an event of nobody", r#"{"eventName":"a","eventTime":"2026-03-01T10:00:00Z"}"#, 400, "missing_identity"),
        event("an event on a day", r#"{"userId":"ada","eventName":"a","eventTime":"2026-03-01"}"#, 422, "invalid_date"),
    ]
}

fn forms() -> Vec<Row> {
    let good = || Row::post(INTERACTIONS, r#"{"kind":"a"}"#);
    let unsupported = |row: Row, name: &str| row.is(name, 415, "unsupported_media_type");
    vec![
        unsupported(good().without("Content-Type"), "no content type"),
        unsupported(good().without("Content-Type").header("Content-Type", "text/plain"), "plain text"),
        unsupported(
            good().without("Content-Type").header("Content-Type", "application/json; charset=latin1"),
            "Latin-1",
        ),
        good().header("Content-Encoding", "gzip").is("gzip", 415, "unsupported_encoding"),
        good().header("Accept", "text/xml").is("an answer in XML", 406, "not_acceptable"),
        good().header("Accept", "application/json;q=0, */*").is("anything but JSON", 406, "not_acceptable"),
        Row::get("/users/ada").header("Accept", "text/xml").is("a profile in XML", 406, "not_acceptable"),
    ]
}

fn too_large() -> Vec<Row> {
    let large = vec![b' '; MAX_BODY_BYTES + 1];
    let chunk = [format!("{:x}\r\n", large.len()).as_bytes(), &large, b"\r\n0\r\n\r\n"].concat();
    let chunked = Row::post(INTERACTIONS, chunk).header("Transfer-Encoding", "chunked");
    vec![
        refused("a byte too much", large, 413, "payload_too_large").and_then(After::Ends),
        refused("ten megabytes", vec![b' '; 10 << 20], 413, "payload_too_large").and_then(After::IsClosed),
        chunked.is("a byte too much, in chunks", 413, "payload_too_large").and_then(After::Ends),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_body_is_refused_with_its_code_and_leaves_nothing() {
    let scene = Scene::start().await;
    for rows in [malformed(), invalid(), settings(), events(), forms(), too_large()] {
        scene.refuses(&rows).await;
    }
    scene.services.stop().await;
}
