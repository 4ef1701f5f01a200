//! `keepsake sub` shows published events, and with `--log` the stored ones.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use keepsake_tests::harness::{Client, InProcess, World, keepsake, until_published};

/// `keepsake sub` as a process; it ends with this.
struct Sub {
    _process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Sub {
    fn start(world: &World, arguments: &[&str]) -> Self {
        let mut command = Command::new(keepsake());
        command.arg("sub").args(arguments).envs(world.nats.environment()).env_remove("KEEPSAKE_TENANT");
        let mut process = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("starts");
        let lines = BufReader::new(process.stdout.take().expect("piped")).lines();
        Self { _process: process, lines }
    }

    /// The next lines, without their times.
    async fn next(&mut self, count: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for _ in 0..count {
            let line = tokio::time::timeout(std::time::Duration::from_mins(1), self.lines.next_line()).await;
            let line = line.expect("in time").expect("readable").expect("it goes on");
            let words: Vec<_> = line.split_whitespace().enumerate().filter(|(index, _)| *index != 1).collect();
            lines.push(words.into_iter().map(|(_, word)| word).collect::<Vec<_>>().join(" "));
        }
        lines
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sub_shows_published_events_by_name_and_stored_ones_by_type() {
    let world = World::start().await;
    let services = InProcess::start(&world).await;
    let client = Client::new(&world, &services.query.url(), "demo").await;
    client.provision().await;
    client.of("other").provision().await;
    let ada = client.register("ada").await;
    let other = client.of("other").register("ada").await;
    let recorded = client.accepted("interactions.record", None, r#"{"guest_id":"ada","kind":"product.viewed"}"#).await;
    until_published(&world, &client).await;
    let (ada_id, recorded_id, other_id) = (&ada.events[0].id, &recorded.events[0].id, &other.events[0].id);
    let (guest, others) = (&ada.guest_id, &other.guest_id);
    let created = format!("1 demo {guest} guest.profile.created {ada_id}");
    let interaction = format!("3 demo {guest} guest.interaction.recorded {recorded_id}");

    let mut everything = Sub::start(&world, &["--after", "0"]);
    let elsewhere = format!("2 other {others} guest.profile.created {other_id}");
    assert_eq!(everything.next(3).await, [created.clone(), elsewhere.clone(), interaction.clone()]);
    let mut named = Sub::start(&world, &["guest.interaction.*", "--since", "2026-01-01T00:00:00Z"]);
    assert_eq!(named.next(1).await, [interaction]);
    let mut of_tenant = Sub::start(&world, &["--after", "0", "--tenant", "other"]);
    assert_eq!(of_tenant.next(1).await, [elsewhere]);
    let mut json = Sub::start(&world, &["guest.profile.*", "--after", "0", "--json"]);
    assert!(json.next(1).await[0].contains(&format!(r#""id":"{ada_id}""#)));

    let mut stored = Sub::start(&world, &["Guest*", "--log", "--after", "0", "--tenant", "demo"]);
    assert_eq!(stored.next(1).await, [format!("{} demo {guest} GuestRegistered {ada_id}", ada.position)]);

    let bob = client.register("bob").await;
    let news = format!("4 demo {} guest.profile.created {}", bob.guest_id, bob.events[0].id);
    assert_eq!(everything.next(1).await, [news]);
    services.stop().await;
}
