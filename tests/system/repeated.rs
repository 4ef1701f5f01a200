//! The same commands, again and again, at once, through both doors, their answers lost and the services killed: each counts once.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream};
use proto::Reply;

use keepsake_tests::harness::{Client, Processes, Service, World, history, log};

const COMMANDS: u32 = 10_000;
const GUESTS: u32 = 500;
/// Commands under way at once, each five times.
const AT_ONCE: usize = 60;
/// `kill -9` when so many commands are settled.
const KILLS: [u32; 3] = [2_000, 5_000, 8_000];

struct Sent {
    id: String,
    guest: String,
}

impl Sent {
    fn new(number: u32) -> Self {
        Self { id: format!("again-{number}"), guest: format!("guest-{}", number % GUESTS) }
    }

    fn body(&self) -> String {
        format!(r#"{{"guest_id":"{}","kind":"order.created","properties":{{"id":"{}"}}}}"#, self.guest, self.id)
    }

    async fn over_nats(&self, client: &Client) -> Reply {
        let mut told = history::insist(client, "interactions.record", &self.id, &self.body()).await;
        assert!(told.refused.is_empty(), "{:?}", told.refused);
        told.accepted.remove(0)
    }

    async fn over_http(&self, client: &Client) -> Reply {
        let path = format!("/api/v1/guests/{}/interactions", self.guest);
        let (status, body) = client.post_insisting(&path, &self.id, &self.body()).await;
        assert!(status.is_success(), "{body}");
        serde_json::from_value(body).expect("a reply")
    }

    /// Five times: twice with somebody waiting at each door, once with the answer lost.
    async fn five_times(&self, client: &Client) -> Vec<Reply> {
        let lost = async {
            let inbox = client.nats.new_inbox();
            let mut headers = async_nats::HeaderMap::new();
            headers.insert(proto::header::COMMAND_ID, self.id.as_str());
            let subject = "cmd.demo.interactions.record";
            let sent = client.nats.publish_with_reply_and_headers(subject, inbox, headers, self.body().into());
            sent.await.expect("publishes");
        };
        let ((), a, b, c, d) = tokio::join!(
            lost,
            self.over_nats(client),
            self.over_http(client),
            self.over_nats(client),
            self.over_http(client)
        );
        vec![a, b, c, d]
    }
}

/// What must be the same in every answer.
fn essence(reply: &Reply) -> (u64, u64, &str, Vec<&str>) {
    (reply.position, reply.version, &reply.guest_id, reply.events.iter().map(|event| event.id.as_str()).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_commands_sent_five_times_each_count_once() {
    let world = World::start().await;
    let mut processes = Processes::start_only(&world, &[Service::Command]).await;
    let client = Client::new(&world, &processes.url(Service::Command), "demo").await;
    history::set_up(&client, (0..GUESTS).map(|guest| format!("guest-{guest}"))).await;
    let before = log::read(&client.nats).await.len();

    let all = stream::iter(0..COMMANDS).map(|number| {
        let client = &client;
        async move {
            let sent = Sent::new(number);
            let replies = sent.five_times(client).await;
            for reply in &replies {
                assert_eq!(essence(reply), essence(&replies[0]), "{}", sent.id);
            }
            (sent.id, replies[0].position)
        }
    });
    let mut told = BTreeMap::new();
    let mut settled = std::pin::pin!(all.buffer_unordered(AT_ONCE));
    while let Some((id, position)) = settled.next().await {
        told.insert(position, id);
        if u32::try_from(told.len()).is_ok_and(|count| KILLS.contains(&count)) {
            processes.kill(Service::Command).await;
            processes.start_one(Service::Command).await;
        }
    }

    let stored = log::read(&client.nats).await;
    let effects: BTreeMap<u64, String> =
        stored[before..].iter().map(|entry| (entry.position, entry.commit.command_id.clone())).collect();
    assert_eq!(effects.len(), COMMANDS as usize, "one effect for each command");
    assert_eq!(effects, told, "and every caller was told of it");
}
