//! Ten thousand readers who hang up in the middle leave nothing behind in the few connections they shared.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{StreamExt as _, stream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use keepsake_tests::harness::{Client, Dice, InProcess, Tap, World, eventually, services};

const SEED: u64 = 20_261_122;
const READS: usize = 10_000;
/// Readers at once: far more than there are connections to Postgres.
const AT_ONCE: usize = 64;
const CONNECTIONS: &str = "2";
/// Longer than an answer's head; some answers end before.
const LONGEST_TASTE: usize = 700;
/// A read waits half a second for a connection: when all have been idle for longer, nobody waits.
const IDLE: &str = "
SELECT count(*) FILTER (WHERE state <> 'idle' OR state_change > clock_timestamp() - interval '1 second'), count(*)
FROM pg_stat_activity
WHERE datname = current_database() AND usename = 'keepsake_reader_login' AND application_name <> 'keepsake news'";
/// What a connection must not remember of those who used it.
const LEFT: &str = "
SELECT current_setting('keepsake.tenant', true), current_setting('keepsake.cluster', true),
       current_setting('keepsake.canonical', true), pg_current_xact_id_if_assigned()::text,
       (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND relation::regclass::text LIKE 'read%')::text";

/// Where readers hung up.
#[derive(Default)]
struct Cuts {
    in_request: AtomicUsize,
    before_answer: AtomicUsize,
    in_answer: AtomicUsize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_readers_who_hang_up_leave_no_connection_dirty() {
    let mut world = World::start().await;
    let postgres = world.database.reader.rsplit_once('@').expect("a login").1.split('/').next().expect("a host");
    let tap = Tap::start(postgres.to_owned()).await;
    let untapped = std::mem::take(&mut world.database.reader);
    world.database.reader = tap.url(&untapped);
    let InProcess { command, projections, query } = InProcess::start(&world).await;
    query.stop().await.expect("stops");
    let settings = [
        ("KEEPSAKE_COMMAND_URL", command.url()),
        ("KEEPSAKE_DATABASE_CONNECTIONS", CONNECTIONS.to_owned()),
        ("KEEPSAKE_PRIMARY_URL", untapped),
    ];
    let query = services::query_with(&world, &settings).await;
    let ours = Client::new(&world, &query.url(), "ours").await;
    let theirs = ours.of("theirs");
    let (our_ada, token) = set_up(&ours).await;
    let (their_ada, their_token) = set_up(&theirs).await;
    ours.read("/users/ada", &token).await;
    theirs.read("/users/ada", &their_token).await;

    let cuts = Cuts::default();
    let mut dice = Dice::new(SEED);
    let dice = (0..READS).map(|_| Dice::new(dice.roll()));
    let caller = Caller { address: query.http_address(), bearer: world.bearer("ours"), token };
    stream::iter(dice).for_each_concurrent(AT_ONCE, |dice| hang_up(&caller, dice, &cuts)).await;
    for cut in [&cuts.in_request, &cuts.before_answer, &cuts.in_answer] {
        assert!(cut.load(Ordering::Relaxed) > READS / 10, "the storm was none, with seed {SEED}");
    }

    let admin = world.database.connect(&world.database.read_admin).await;
    assert_clean(&tap, &admin).await;
    for (client, ada) in [(&theirs, &their_ada), (&ours, &our_ada)].repeat(50) {
        assert_eq!(client.read("/users/ada", "").await["guest_id"], ada.as_str());
        let (_, topic) = client.get("/api/v1/topics/music/summary", "").await;
        assert_eq!(topic["guest_count"], 1, "{topic}");
    }
    // Every connection was read with by now: nothing of that stays either.
    assert_clean(&tap, &admin).await;
    for running in [query, projections, command] {
        running.stop().await.expect("stops");
    }
}

/// Waits until nobody reads any more, and asks each connection what it was left with.
async fn assert_clean(tap: &Tap, admin: &tokio_postgres::Client) {
    let open = eventually("nobody reads any more", async || {
        let row = admin.query_one(IDLE, &[]).await.expect("asks");
        let (busy, open): (i64, i64) = (row.get(0), row.get(1));
        (busy == 0).then_some(open)
    })
    .await;
    assert!((1..=2).contains(&open), "{open} connections");
    let left = tap.ask(LEFT).await;
    assert_eq!(left.len(), usize::try_from(open).expect("few"), "each was asked");
    for answer in left {
        let empty = |column: &Option<String>| column.as_deref().is_none_or(str::is_empty);
        let nothing = answer.row.len() == 5 && answer.row[..4].iter().all(empty);
        assert!(nothing && answer.row[4].as_deref() == Some("0"), "{answer:?}");
        assert_eq!(answer.status, 'I', "a transaction is open");
    }
}

/// A guest with some interactions: our id of it, and the token of the last.
async fn set_up(client: &Client) -> (String, String) {
    client.provision().await;
    let ada = client.register("ada").await.guest_id;
    let mut token = String::new();
    for _ in 0..5 {
        let record = r#"{"guest_id":"ada","kind":"topic.liked","topic":"Music"}"#;
        token = client.accepted("interactions.record", None, record).await.consistency_token;
    }
    (ada, token)
}

struct Caller {
    address: SocketAddr,
    bearer: String,
    /// Of what has been folded.
    token: String,
}

/// One read that its reader does not wait for: it is cut in the request, right behind it, or in the answer.
async fn hang_up(Caller { address, bearer, token }: &Caller, mut dice: Dice, cuts: &Cuts) {
    let path = *dice.of(&[
        "/users/ada",
        "/users/nobody",
        "/guests/ada/interactions?limit=3",
        "/guests/ada/timeline",
        "/topics/music/summary",
    ]);
    // The last is of a commit that will never come: who sends it waits.
    let position = *dice.of(&["", token, "0.999999999"]);
    let position = if position.is_empty() { String::new() } else { format!("X-Min-Position: {position}\r\n") };
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: keepsake\r\nAuthorization: {bearer}\r\nX-Tenant-ID: ours\r\nX-Wait-Ms: 300\r\n{position}\r\n"
    );
    let mut connection = TcpStream::connect(address).await.expect("connects");
    let cut = match dice.below(3) {
        0 => {
            let sent = dice.below(request.len());
            connection.write_all(&request.as_bytes()[..sent]).await.expect("sends");
            &cuts.in_request
        }
        1 => {
            connection.write_all(request.as_bytes()).await.expect("sends");
            &cuts.before_answer
        }
        _ => {
            connection.write_all(request.as_bytes()).await.expect("sends");
            let mut answer = vec![0; 1 + dice.below(LONGEST_TASTE)];
            // Somebody who waits for what never comes hangs up while nothing is there; others have had some of the answer.
            let _some = connection.read(&mut answer).await.expect("an answer");
            &cuts.in_answer
        }
    };
    cut.fetch_add(1, Ordering::Relaxed);
}
