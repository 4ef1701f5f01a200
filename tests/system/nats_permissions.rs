//! Least privilege on NATS, asked of the server itself: who may publish and hear what, and what no reply subject can do.

mod callers;
mod people;
mod services;

use std::collections::BTreeMap;

use event_log::User;
use keepsake_tests::harness::{Raw, World};

/// One line of the tables.
struct Row<'a> {
    user: &'a str,
    deed: &'a str,
    is_allowed: bool,
    /// With its queue group.
    subject: &'a str,
}

impl<'a> Row<'a> {
    fn read(line: &'a str) -> Self {
        let mut rest = line;
        let mut word = || {
            let (word, after) = rest.trim_start().split_once(' ').expect("four columns");
            rest = after;
            word
        };
        let (user, deed, allowed) = (word(), word(), word());
        assert!(["yes", "no"].contains(&allowed), "{line}");
        Self { user, deed, is_allowed: allowed == "yes", subject: rest.trim() }
    }

    /// Does it, and says whether the server let it.
    async fn is_let(&self, connection: &mut Raw) -> bool {
        let complaints = match self.deed {
            "publish" => connection.publish(self.subject, "", "").await,
            "subscribe" => connection.try_subscribe(self.subject).await,
            other => panic!("{other} is no deed"),
        };
        !complaints.iter().any(|complaint| complaint.contains("Permissions Violation"))
    }
}

async fn with_callers() -> World {
    let world = World::start().await;
    world.nats.admit("shop", &["demo", "spare"]).await;
    world.nats.admit("rival", &["rival"]).await;
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_user_may_do_what_its_rows_say_and_nothing_else() {
    let world = with_callers().await;
    let mut connections = BTreeMap::new();
    let mut wrong = Vec::new();
    let lines = services::ROWS.lines().chain(people::ROWS.lines()).filter(|line| !line.is_empty());
    let rows: Vec<Row> = lines.map(Row::read).collect();
    assert!(rows.len() >= 200, "{} rows", rows.len());
    for row in &rows {
        let Row { user, deed, is_allowed, subject } = row;
        if !connections.contains_key(user) {
            connections.insert(*user, world.nats.raw(user).await);
        }
        let connection = connections.get_mut(user).expect("made above");
        if row.is_let(connection).await != *is_allowed {
            wrong.push(format!("{user} {} {deed} {subject}", if *is_allowed { "must be let" } else { "must not" }));
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    assert!(User::ALL.iter().all(|user| connections.contains_key(user.name())), "every user has rows");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_user_hears_what_another_is_told() {
    let world = with_callers().await;
    let inboxes = ["_I.migrate", "_I.appender", "_I.door", "_I.intake", "_I.workers", "_INBOX.operator"];
    for (user, own) in User::ALL.into_iter().zip(inboxes) {
        let mut connection = world.nats.raw(user.name()).await;
        let everybodys = ["_I.>", "_I.*.>", "_INBOX.>", "_INBOX.*.>", "_INBOX.*", "_R_.>", ">", "*.>"];
        let those_of_others = inboxes.iter().filter(|inbox| **inbox != own).map(|inbox| format!("{inbox}.>"));
        for subject in everybodys.into_iter().map(str::to_owned).chain(those_of_others) {
            let complaints = connection.try_subscribe(&subject).await;
            let denied = complaints.iter().any(|complaint| complaint.contains("Permissions Violation"));
            assert!(denied, "{} may subscribe to {subject}", user.name());
        }
        assert_eq!(connection.try_subscribe(&format!("{own}.>")).await, Vec::<String>::new());
    }
}
