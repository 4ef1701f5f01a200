//! What other services are told: the events in the stream `PUB`.

use std::time::Duration;

use async_nats::header::{NATS_BATCH_ID, NATS_MESSAGE_ID};
use async_nats::jetstream;
use async_nats::jetstream::consumer::{AckPolicy, pull};
use futures_util::StreamExt as _;
use proto::subject::PUBLISHED_STREAM;
use serde_json::Value;

use super::{Client, World, eventually};

const POSITION: &str = "SELECT COALESCE(max(position), 0) FROM keepsake.errand WHERE name = $1";

/// One published event, as a subscriber gets it.
#[derive(Clone, Debug)]
pub struct Published {
    pub subject: String,
    pub message_id: String,
    /// Stored together with others.
    pub in_batch: bool,
    pub event: Value,
}

impl Published {
    /// Everything that is in the stream, in its order.
    pub async fn all(client: &async_nats::Client) -> Vec<Self> {
        let Ok(mut stream) = jetstream::new(client.clone()).get_stream(PUBLISHED_STREAM).await else {
            return Vec::new();
        };
        let messages = stream.info().await.expect("the stream").state.messages;
        let config = pull::Config { ack_policy: AckPolicy::None, ..pull::Config::default() };
        let consumer = stream.create_consumer(config).await.expect("a consumer");
        let mut all = Vec::new();
        while (all.len() as u64) < messages {
            let batch = consumer.fetch().max_messages(1_000).expires(Duration::from_secs(5)).messages();
            let mut batch = batch.await.expect("messages");
            while let Some(message) = batch.next().await {
                all.push(Self::from(&message.expect("a message")));
            }
        }
        all
    }

    pub fn id(&self) -> &str {
        self.event["id"].as_str().expect("an id")
    }

    /// Of the commit it was made of.
    pub fn position(&self) -> u64 {
        proto::token::read(self.event["position"].as_str().expect("a token")).expect("a token of ours")
    }
}

impl From<&jetstream::Message> for Published {
    fn from(message: &jetstream::Message) -> Self {
        let headers = message.headers.as_ref().expect("headers");
        Self {
            subject: message.subject.to_string(),
            message_id: headers.get(NATS_MESSAGE_ID).expect("an id").to_string(),
            in_batch: headers.get(NATS_BATCH_ID).is_some(),
            event: serde_json::from_slice(&message.payload).expect("JSON"),
        }
    }
}

/// Waits until this errand is done as far as the log goes now; answers where that is.
pub async fn until_done(world: &World, client: &Client, errand: &str) -> u64 {
    let end = event_log::stream::info(&client.nats).await.expect("the log").last_position;
    let admin = world.database.connect(&world.database.read_admin).await;
    eventually(&format!("{errand} is at the end of the log"), async || {
        let position: i64 = admin.query_one(POSITION, &[&errand]).await.expect("asks").get(0);
        (position.cast_unsigned() >= end).then_some(())
    })
    .await;
    end
}

/// Waits until everything the log has now is published.
pub async fn until_published(world: &World, client: &Client) -> u64 {
    until_done(world, client, "publisher").await
}
