//! Query strings, cursors, and how fresh an answer should be.

use super::catalogue::{INTERACTIONS, Row, Scene};

fn asked(query: &str, status: u16, code: &'static str) -> Row {
    Row::get(&format!("{INTERACTIONS}?{query}")).is(query, status, code)
}

fn queries() -> Vec<Row> {
    let limits = ["0", "-1", "1000000000", "501", "abc", "", "1.5"];
    let mut rows: Vec<Row> = limits.map(|limit| asked(&format!("limit={limit}"), 422, "invalid_limit")).into();
    let many: Vec<String> = (0..50).map(|filter| format!("f{filter}=1")).collect();
    let filters = ["sort=email;drop", "colour=blue", "kind=a&kind=b", "kind=%FF", "filter=.*", &many.join("&")];
    rows.extend(filters.map(|filter| asked(filter, 422, "invalid_filter")));
    rows.extend(["kind=%00", "cursor=a%00"].map(|query| asked(query, 422, "invalid_character")));
    let dates = ["from=yesterday", "from=2026-03-01T10:00:00", "to=300000-01-01T00:00:00Z"];
    rows.extend(dates.map(|date| asked(date, 422, "invalid_date")));
    rows.push(Row::get("/api/v1/guests/ada/timeline?type=none").is("no event", 422, "invalid_filter"));
    rows.push(Row::get("/users/ada?fields=all").is("a parameter of no profile", 422, "invalid_filter"));
    rows.push(Row::get("/topics/none/summary").is("no topic", 404, "topic_not_found"));
    rows.push(Row::get("/topics/a%00/summary").is("NUL in a topic", 422, "invalid_character"));
    rows.push(Row::get("/commands/none").is("no command", 404, "command_unknown"));
    rows
}

fn positions() -> Vec<Row> {
    let read = |name: &str, value: &str, code| {
        Row::get("/users/ada").header(name, value).is(format!("{name}: {value}"), 400, code)
    };
    let mut rows: Vec<Row> = ["17", "0.x", "0.-1", "", "0.9223372036854775808", "1.1.1"]
        .map(|value| read("X-Min-Position", value, "invalid_position"))
        .into();
    rows.extend(["-1", "10001", "soon"].map(|value| read("X-Wait-Ms", value, "invalid_position")));
    rows.push(read("X-Min-Position", "0.1", "invalid_position").header("X-Min-Position", "0.1"));
    let beyond = Row::get("/users/ada").header("X-Min-Position", "0.900000000").header("X-Wait-Ms", "1");
    rows.push(beyond.is("a position beyond the log", 503, "read_model_behind"));
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_cannot_be_answered_says_why() {
    let scene = Scene::start().await;
    for rows in [queries(), positions()] {
        scene.refuses(&rows).await;
    }
    scene.services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_is_good_for_its_own_list_alone() {
    let scene = Scene::start().await;
    scene.client.register("bob").await;
    scene.client.of("other").provision().await;
    let mut seen = String::new();
    for guest in ["ada", "ada", "bob"] {
        let json = format!(r#"{{"guest_id":"{guest}","kind":"a"}}"#);
        seen = scene.client.accepted("interactions.record", None, &json).await.consistency_token;
    }
    let cursor = async |path: &str| {
        let page = scene.client.read(&format!("{path}limit=1"), &seen).await;
        page["cursor"]["next"].as_str().expect("another page").to_owned()
    };
    let of_all = cursor(&format!("{INTERACTIONS}?")).await;
    let of_kind = cursor(&format!("{INTERACTIONS}?kind=a&")).await;
    let of_timeline = cursor("/api/v1/guests/ada/timeline?").await;
    let first = if of_all.starts_with('A') { "B" } else { "A" };
    let tampered = format!("{first}{}", &of_all[1..]);
    let of_bob = Row::get(&format!("/api/v1/guests/bob/interactions?cursor={of_all}"));
    scene
        .refuses(&[
            asked("cursor=forged", 400, "invalid_cursor"),
            asked("cursor=", 400, "invalid_cursor"),
            asked(&format!("cursor={tampered}"), 400, "invalid_cursor"),
            asked(&format!("cursor={of_timeline}"), 400, "invalid_cursor"),
            asked(&format!("cursor={of_kind}"), 400, "cursor_mismatch"),
            asked(&format!("kind=b&cursor={of_kind}"), 400, "cursor_mismatch"),
            of_bob.is("a cursor of another guest", 400, "invalid_cursor"),
        ])
        .await;
    scene.services.stop().await;
}
