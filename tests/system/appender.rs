//! Group commit against a real server: each commit stands and falls by its own guard, and what belongs together is never split.

use bytes::Bytes;
use command_service::appender::{AppendFault, Appended, Appender, Entry};
use event_log::direct_get;
use futures_util::future::join_all;
use keepsake_tests::harness::World;
use prost::Message as _;
use proto::Commit;
use proto::subject::{LogSubject, Owner};

const OWNERS: u128 = 300;
const STALE: u64 = 999_999;

/// An appender with its task, on a log of its own.
struct Log {
    client: async_nats::Client,
    appender: Appender,
    _world: World,
}

impl Log {
    async fn of(world: World) -> Self {
        let client = world.nats.connect().await;
        let (appender, appending) = Appender::new(client.clone());
        tokio::spawn(appending);
        Self { client, appender, _world: world }
    }

    async fn append(&self, owner: u128, expected: u64) -> Result<Appended, AppendFault> {
        self.appender.append(entry(owner, expected)).await
    }

    /// Positions of an owner's commits.
    async fn positions(&self, owner: u128) -> Vec<u64> {
        let commits = direct_get::commits(&self.client, &subject(owner), 1).await.expect("the log");
        commits.into_iter().map(|commit| commit.position).collect()
    }

    /// How many of the stored commits came in a batch.
    async fn in_batches(&self, last: u64) -> usize {
        let stream = async_nats::jetstream::new(self.client.clone()).get_stream("EVT").await.expect("the log");
        let messages = join_all((1..=last).map(|position| stream.get_raw_message(position))).await;
        let batched =
            |message: &async_nats::jetstream::message::StreamMessage| message.headers.get("Nats-Batch-Id").is_some();
        messages.iter().filter(|message| message.as_ref().is_ok_and(batched)).count()
    }
}

fn subject(owner: u128) -> LogSubject {
    LogSubject::new("demo".parse().expect("a token"), Owner::guest(owner))
}

fn entry(owner: u128, expected: u64) -> Entry {
    let command_id = format!("c-{owner}-{expected}");
    let commit = Commit { command_id: command_id.clone(), ..Commit::default() };
    Entry::new(&subject(owner), expected, command_id, String::new(), Bytes::from(commit.encode_to_vec()))
}

async fn many_at_once_share_batches(world: World) {
    let log = Log::of(world).await;
    let appended = join_all((0..OWNERS).map(|owner| log.append(owner, 0))).await;
    let mut positions = Vec::new();
    for (owner, outcome) in (0..OWNERS).zip(appended) {
        let Ok(Appended::At(position)) = outcome else { panic!("{owner}: {outcome:?}") };
        assert_eq!(log.positions(owner).await, [position]);
        positions.push(position);
    }
    let last = positions.into_iter().max().expect("positions");
    assert_eq!(u128::from(last), OWNERS, "nothing else is in the log");
    assert!(log.in_batches(last).await > 100, "most came together");
}

async fn a_stale_guard_fails_its_own_commit_alone(world: World) {
    let log = Log::of(world).await;
    let stale = |owner: u128| owner % 100 == 50;
    let expected = |owner| if stale(owner) { STALE } else { 0 };
    let appended = join_all((0..OWNERS).map(|owner| log.append(owner, expected(owner)))).await;
    for (owner, outcome) in (0..OWNERS).zip(appended) {
        match outcome {
            Ok(Appended::Conflict(_)) if stale(owner) => assert!(log.positions(owner).await.is_empty()),
            Ok(Appended::At(position)) if !stale(owner) => assert_eq!(log.positions(owner).await, [position]),
            other => panic!("{owner}: {other:?}"),
        }
    }
}

async fn what_belongs_together_is_stored_together_or_not_at_all(world: World) {
    let log = Log::of(world).await;
    let together = |first: u128, expected: [u64; 3]| {
        let commits = (first..).zip(expected).map(|(owner, expected)| entry(owner, expected)).collect();
        log.appender.append_together(commits)
    };
    let crowd = join_all((1_000..1_000 + OWNERS).map(|owner| log.append(owner, 0)));
    let (whole, torn, crowd) = tokio::join!(together(0, [0; 3]), together(10, [0, STALE, 0]), crowd);
    let Ok(Appended::At(last)) = whole else { panic!("{whole:?}") };
    for (owner, position) in (0..3).zip(last - 2..=last) {
        assert_eq!(log.positions(owner).await, [position], "one after the other");
    }
    assert!(matches!(torn, Ok(Appended::Conflict(_))), "{torn:?}");
    for owner in 10..13 {
        assert!(log.positions(owner).await.is_empty(), "a part was stored");
    }
    assert!(crowd.iter().all(|outcome| matches!(outcome, Ok(Appended::At(_)))), "the others were not harmed");
}

keepsake_tests::on_one_and_on_three! {
    commits_of_many_owners_share_batches, commits_of_many_owners_share_batches_on_three_replicas:
        many_at_once_share_batches;
    a_refused_batch_is_settled_commit_by_commit, a_refused_batch_is_settled_commit_by_commit_on_three_replicas:
        a_stale_guard_fails_its_own_commit_alone;
    a_command_over_several_owners_is_never_split, a_command_over_several_owners_is_never_split_on_three_replicas:
        what_belongs_together_is_stored_together_or_not_at_all;
}
