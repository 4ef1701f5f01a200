//! The stream of dead letters, one message at a time.

use anyhow::Context as _;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{RawMessageErrorKind, Stream};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, HeaderMap};
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat};
use futures_util::stream::{self, Stream as Items};
use proto::header;
use proto::subject::{DEAD_LETTER_STREAM, DEAD_LETTER_SUBJECTS, INTAKE_STREAM};

/// A command that could not be carried out.
pub(super) struct DeadLetter {
    /// Its place in the stream.
    pub(super) number: u64,
    /// When it was given up: RFC 3339.
    pub(super) at: String,
    /// Where it had been sent.
    pub(super) subject: String,
    pub(super) reason: String,
    pub(super) detail: String,
    pub(super) id: Option<String>,
    pub(super) bytes: usize,
    content_type: Option<String>,
    payload: Bytes,
}

pub(super) struct DeadLetters {
    context: Context,
    stream: Stream<()>,
    /// Number of the newest there was at first: one that is sent again may come back as a newer one.
    newest: u64,
}

impl DeadLetter {
    /// Tenant and command, as far as its subject names any.
    pub(super) fn named(&self) -> (&str, &str) {
        let named = self.subject.strip_prefix("cmdq.").unwrap_or(&self.subject);
        named.split_once('.').unwrap_or(("-", named))
    }
}

impl DeadLetters {
    pub(super) async fn open(client: &Client) -> anyhow::Result<Self> {
        let context = jetstream::new(client.clone());
        let newest = context.get_stream(DEAD_LETTER_STREAM).await?.cached_info().state.last_sequence;
        let stream = context.get_stream_no_info(DEAD_LETTER_STREAM).await?;
        Ok(Self { context, stream, newest })
    }

    /// Those there were at first, oldest first.
    pub(super) fn all(&self) -> impl Items<Item = anyhow::Result<DeadLetter>> {
        stream::try_unfold(1, async |from| {
            let letter = self.next(from).await?.filter(|letter| letter.number <= self.newest);
            Ok(letter.map(|letter| {
                let after = letter.number + 1;
                (letter, after)
            }))
        })
    }

    /// The one with this number.
    pub(super) async fn get(&self, number: u64) -> anyhow::Result<Option<DeadLetter>> {
        Ok(self.next(number).await?.filter(|letter| letter.number == number))
    }

    async fn next(&self, from: u64) -> anyhow::Result<Option<DeadLetter>> {
        let asked = self.stream.raw_message_builder().sequence(from).next_by_subject(DEAD_LETTER_SUBJECTS.to_owned());
        match asked.send().await {
            Ok(message) => read(message).map(Some),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(error).context("the dead letters cannot be read"),
        }
    }

    /// Sends it again as it was, then forgets it: interrupted in between it is sent twice, and counts once.
    pub(super) async fn retry(&self, letter: &DeadLetter) -> anyhow::Result<()> {
        let mut headers = HeaderMap::new();
        headers.insert(header::EXPECTED_STREAM, INTAKE_STREAM);
        for (name, value) in [(header::COMMAND_ID, &letter.id), (header::CONTENT_TYPE, &letter.content_type)] {
            if let Some(value) = value {
                headers.insert(name, value.as_str());
            }
        }
        let sent = self.context.publish_with_headers(letter.subject.clone(), headers, letter.payload.clone()).await;
        sent?.await.with_context(|| format!("dead letter {} was not taken by the intake again", letter.number))?;
        self.drop(letter.number).await
    }

    /// Erases it: its body may hold personal data.
    pub(super) async fn drop(&self, number: u64) -> anyhow::Result<()> {
        let dropped = self.stream.delete_message(number).await;
        dropped.map(drop).with_context(|| format!("dead letter {number} was not dropped"))
    }
}

fn read(message: StreamMessage) -> anyhow::Result<DeadLetter> {
    let header = |name: &str| message.headers.get(name).map(|value| value.as_str().to_owned());
    let subject = header(header::SENT_TO).context("the stream of dead letters holds something else")?;
    Ok(DeadLetter {
        number: message.sequence,
        at: rfc3339(&message),
        subject,
        reason: header(header::REASON).unwrap_or_default(),
        detail: header(header::DETAIL).unwrap_or_default(),
        id: header(header::COMMAND_ID),
        content_type: header(header::CONTENT_TYPE),
        bytes: message.payload.len(),
        payload: message.payload,
    })
}

fn rfc3339(message: &StreamMessage) -> String {
    let nanos = i64::try_from(message.time.unix_timestamp_nanos()).unwrap_or_default();
    DateTime::from_timestamp_nanos(nanos).to_rfc3339_opts(SecondsFormat::Millis, true)
}
