//! What the intake could not carry out: kept whole, with the reason, until somebody sends it again or drops it.

use async_nats::{Client, HeaderMap};
use bytes::Bytes;
use event_log::LogError;
use proto::header;
use proto::subject::{DEAD_LETTER_STREAM, dead_letter};
use runtime::problem::Problem;

use crate::outgoing::Outgoing;

const KEPT: &str = "a dead letter";
/// A sentence names fields of the caller's, which can be as long as the caller likes.
const MAX_DETAIL_CHARS: usize = 200;

/// A command that cannot be carried out.
pub(super) struct DeadLetter<'a> {
    /// Where it was sent, and its place there.
    pub(super) subject: &'a str,
    pub(super) position: u64,
    /// Under which it is the same command when it is sent again.
    pub(super) id: &'a str,
    pub(super) is_protobuf: bool,
    pub(super) payload: Bytes,
}

impl DeadLetter<'_> {
    pub(super) async fn keep(&self, client: &Client, problem: &Problem) -> Result<(), LogError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::COMMAND_ID, self.id);
        if self.is_protobuf {
            headers.insert(header::CONTENT_TYPE, "application/protobuf");
        }
        headers.insert(header::SENT_TO, self.subject);
        headers.insert(header::REASON, problem.code());
        headers.insert(header::DETAIL, one_line(problem.detail()));
        headers.insert(header::EXPECTED_STREAM, DEAD_LETTER_STREAM);
        // Kept once, also when the command comes again before it is out of the intake.
        headers.insert(async_nats::header::NATS_MESSAGE_ID, format!("{}-{}", self.id, self.position));
        let letter = Outgoing { subject: dead_letter(self.subject).into(), headers, payload: self.payload.clone() };
        letter.store(client).await.map_err(|fault| fault.of(KEPT))
    }
}

/// A line end in a header would end the header.
fn one_line(text: &str) -> String {
    text.chars().take(MAX_DETAIL_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
