//! Callers: answered, told of their tenants' events, and shut up in accounts of their own.

use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::PullConsumer;
use bytes::Bytes;
use event_log::{User, intake, published, stream};
use futures_util::StreamExt as _;
use keepsake_cli::commander::{self, Outcome};
use keepsake_tests::harness::{Client, InProcess, Raw, World, eventually, until_published};

use super::with_callers;

/// Where an answer would do harm.
const HOSTILE: [&str; 7] = [
    "es.00.demo.prf_x",
    "cmd.rival.guest.register",
    "cmdq.rival.guest.register",
    "pub.rival.guest.profile.created",
    "$KV.verdict.rival.cmd-1",
    "$JS.API.STREAM.PURGE.CMD",
    "_INBOX.operator.x",
];

/// What a subject holds of each stream.
async fn stored(client: &async_nats::Client) -> [u64; 4] {
    let intake = intake::info(client).await.expect("the intake");
    let verdicts = jetstream::new(client.clone()).get_stream("KV_verdict").await.expect("verdicts");
    [
        stream::info(client).await.expect("the log").last_position,
        published::info(client).await.expect("published").last,
        verdicts.cached_info().state.messages,
        intake.waiting,
    ]
}

/// Publishes to the durable intake under each reply subject, and waits until JetStream has answered all of them.
async fn have_jetstream_answer(connection: &mut Raw, replies: &[&str]) {
    connection.send(b"SUB _INBOX.> 1\r\n").await;
    for reply in replies.iter().chain(&["_INBOX.done"]) {
        assert_eq!(connection.publish("cmdq.demo.guest.register", reply, "{}").await, Vec::<String>::new());
    }
    eventually("JetStream has answered", async || {
        connection.heard().await.into_iter().find(|heard| heard.subject == "_INBOX.done")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_reply_subject_of_a_caller_makes_jetstream_write_elsewhere() {
    let world = with_callers().await;
    let test = world.nats.connect().await;
    let sent = HOSTILE.len() as u64 + 1;
    have_jetstream_answer(&mut world.nats.raw("shop").await, &HOSTILE).await;
    assert_eq!(stored(&test).await, [0, 0, 0, sent]);

    // From within the account of the log it would: no permission bounds what JetStream answers. So no caller is in there.
    have_jetstream_answer(&mut world.nats.raw("test").await, &["es.00.demo.prf_x"]).await;
    let written = eventually("the answer is in the log", async || {
        let [commits, ..] = stored(&test).await;
        (commits > 0).then_some(commits)
    });
    assert_eq!(written.await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_door_answers_a_caller_nowhere_but_in_its_own_account() {
    let world = with_callers().await;
    let (mut shop, mut door) = (world.nats.raw("shop").await, world.nats.raw("door").await);
    let mut everybody = world.nats.raw("test").await;
    door.send(b"SUB cmd.> command-service 1\r\n").await;
    everybody.send(b"SUB es.> 1\r\nSUB cmd.rival.> 2\r\nSUB cmdq.> 3\r\nSUB pub.> 4\r\nSUB $KV.> 5\r\n").await;
    everybody.send(b"SUB _INBOX.> 6\r\n").await;
    for (number, hostile) in (0..).zip(HOSTILE) {
        shop.publish("cmd.demo.guest.register", hostile, "{}").await;
        let reply = eventually("the command is at the door", async || {
            door.heard().await.pop().and_then(|command| command.reply)
        });
        let reply = reply.await;
        assert!(reply.starts_with("_R_."), "{number}: the door sees {reply} instead of {hostile}");
        assert_eq!(door.publish(&reply, "", "{}").await, Vec::<String>::new());
        assert_eq!(door.publish(hostile, "", "{}").await.is_empty(), hostile.starts_with("_INBOX."));
    }
    let heard: Vec<String> = everybody.heard().await.into_iter().map(|heard| heard.subject).collect();
    assert_eq!(heard, ["_INBOX.operator.x"], "the door's own, sent above");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_is_answered_and_no_other_caller_hears_it() {
    let world = with_callers().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    let mut rival = world.nats.raw("rival").await;
    rival.send(b"SUB _INBOX.> 1\r\nSUB pub.rival.> 2\r\nSUB verdict.rival.> 3\r\n").await;
    let shop = event_log::connect(&world.nats.of_user("shop"), User::Operator, "shop").await.expect("connects");
    let body = Bytes::from_static(br#"{"identifier":"ada"}"#);
    let outcome = commander::send(&shop, "cmd.demo.guest.register", None, body, commander::PATIENT).await;
    assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
    until_published(&world, &client).await;
    assert_eq!(rival.heard().await, []);

    // Somebody new is admitted while all of them are connected.
    world.nats.admit("late", &["demo"]).await;
    let late = event_log::connect(&world.nats.of_user("late"), User::Operator, "late").await.expect("connects");
    for caller in [&shop, &late] {
        let body = Bytes::from_static(br#"{"identifier":"grace"}"#);
        let outcome = commander::send(caller, "cmd.demo.guest.register", None, body, commander::PATIENT).await;
        assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
    }
    services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_pulls_what_it_missed_and_only_of_its_tenants() {
    let world = with_callers().await;
    world.migrate().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    for tenant in ["demo", "rival", "spare"] {
        let client = client.of(tenant);
        client.provision().await;
        client.accepted("guest.register", None, r#"{"identifier":"ada"}"#).await;
    }
    until_published(&world, &client).await;
    let shop = event_log::connect(&world.nats.of_user("shop"), User::Operator, "shop").await.expect("connects");
    let consumer: PullConsumer = jetstream::with_prefix(shop.clone(), "KEEPSAKE.API")
        .get_consumer_from_stream("shop", "PUB")
        .await
        .expect("it was made beforehand");
    let pulled = consumer.fetch().max_messages(10).expires(Duration::from_secs(1)).messages().await.expect("pulls");
    let pulled: Vec<_> = pulled.map(|message| message.expect("a message")).collect().await;
    let subjects: Vec<&str> = pulled.iter().map(|message| message.subject.as_str()).collect();
    assert_eq!(subjects, ["pub.demo.guest.profile.created", "pub.spare.guest.profile.created"]);
    for message in &pulled {
        message.double_ack().await.expect("acknowledged");
    }
    services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_goes_nowhere_its_sender_may_not_publish() {
    let world = World::start().await;
    world.nats.admit("shop", &["demo"]).await;
    let test = world.nats.connect().await;
    let mut shop = world.nats.raw("shop").await;
    let headers = b"NATS/1.0\r\nNats-Trace-Dest: es.00.demo.prf_x\r\n\r\n";
    let complaints = shop.publish_with_headers("cmdq.demo.guest.register", headers, b"{}").await;
    assert!(complaints.iter().any(|complaint| complaint.contains("Permissions Violation")), "{complaints:?}");
    assert_eq!(stored(&test).await, [0, 0, 0, 0]);
}
